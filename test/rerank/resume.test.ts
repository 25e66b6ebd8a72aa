import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { cp, copyFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { journalPath, RunJournal } from '../../src/rerank/journal.js';
import { rerankRuns } from '../../src/rerank/rerank-runs.js';
import { run, type CliResult } from '../support/cli.js';
import { INTO_OUT, rerankOptions, RUN_NAME, writeLongCollection } from '../support/collections.js';
import { changeFile, inFolder, temporaryFolder, useOwnCache } from '../support/files.js';
import { LOADER, start } from '../support/programs.js';

const test = suite('re-ranking goes on where it was');
useOwnCache(test);

const TOPICS = 400;
const OUTPUT = `out/${RUN_NAME}`;
const JOURNAL = `out/.${RUN_NAME}.partial`;
const QUIETLY = [...INTO_OUT, '--trainer.enable_progress_bar=false'];
const OVERWRITE = '--trainer.callbacks.overwrite=true';

/** The collection, its run re-ranked without a disturbance, and the journal of an interrupted call. */
const prepared = temporaryFolder();
let whole: Buffer;
test.before(async () => {
  await writeLongCollection(prepared, TOPICS);
  const { code, stderr } = await run(QUIETLY, { cwd: prepared });
  assert.is(code, 0, stderr);
  whole = await readFile(join(prepared, OUTPUT));
  await cp(join(prepared, 'out'), join(prepared, 'whole'), { recursive: true });
  rmSync(join(prepared, 'out'), { recursive: true });
  const { stderr: interrupted } = await interrupt(prepared);
  assert.match(interrupted, /interrupted: /);
});

/** Runs the command, and aborts it when it has finished 30 more topics. */
async function interrupt(folder: string, argv: readonly string[] = []): Promise<CliResult> {
  const controller = new AbortController();
  // counted where they are kept: how far a run gets in a given time depends on the machine
  const original = Object.getOwnPropertyDescriptor(RunJournal.prototype, 'add')!;
  const add = original.value as RunJournal['add'];
  let added = 0;
  const counting: RunJournal['add'] = async function (this: RunJournal, ...topic) {
    await add.apply(this, topic);
    if (++added === 30) controller.abort();
  };
  Object.defineProperty(RunJournal.prototype, 'add', { ...original, value: counting });
  try {
    return await run([...QUIETLY, ...argv], { cwd: folder, signal: controller.signal });
  } finally {
    Object.defineProperty(RunJournal.prototype, 'add', original);
  }
}

/** What `act` does with a copy of the interrupted run. */
function inInterrupted(name: string, act: (folder: string) => Promise<void>): void {
  test(name, () =>
    inFolder(async (folder) => {
      await cp(prepared, folder, { recursive: true });
      await act(folder);
    }),
  );
}

/** Runs the command to its end: the same bytes as an undisturbed one, and nothing beside them. */
async function completes(folder: string, expected = whole, argv: readonly string[] = []): Promise<string> {
  const { code, stderr } = await run([...QUIETLY, ...argv], { cwd: folder });
  assert.is(code, 0, stderr);
  assert.ok((await readFile(join(folder, OUTPUT))).equals(expected), 'the bytes of an undisturbed run');
  assert.equal(readdirSync(join(folder, 'out')).sort(), [RUN_NAME, `${RUN_NAME}.json`]);
  return stderr;
}

inInterrupted('the message of an interruption says how to go on, and the same command does', async (folder) => {
  const interrupted = await interrupt(folder); // once more
  assert.is(interrupted.code, 130);
  const [, kept] = /^interrupted: (\d+) of 400 topics of __bm25__tiny-set\.run are kept$/m.exec(interrupted.stderr)!;
  assert.ok(Number(kept) > 0 && Number(kept) < TOPICS, kept);
  assert.match(interrupted.stderr, /^hint: The same command continues there\.$/m);
  assert.not.ok(existsSync(join(folder, OUTPUT)));
  const stderr = await completes(folder);
  assert.match(stderr, new RegExp(`^note: ${OUTPUT}: continues after ${kept} of 400 topics$`, 'm'));
  assert.match(
    stderr,
    new RegExp(
      `^wrote ${OUTPUT}: .* of ${TOPICS - Number(kept)} topics in .*; ${kept} topics had been scored before$`,
      'm',
    ),
  );
});

inInterrupted('the record is that of an undisturbed run, but for the times', async (folder) => {
  await completes(folder);
  const record = async (path: string): Promise<Record<string, unknown>> => {
    const { written: _, timing, ...rest } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    return { ...rest, pairs: (timing as { pairs: number }).pairs };
  };
  const expected = await record(join(prepared, `whole/${RUN_NAME}.json`));
  assert.equal(
    JSON.stringify(await record(join(folder, `${OUTPUT}.json`))).replaceAll(folder, prepared),
    JSON.stringify(expected),
  );
});

for (const precision of ['bf16-mixed', 'int8']) {
  inInterrupted(`scores do not depend on where a run was interrupted: ${precision}`, async (folder) => {
    const argv = [`--trainer.precision=${precision}`, OVERWRITE];
    assert.is((await run([...QUIETLY, ...argv], { cwd: folder })).code, 0);
    const expected = await readFile(join(folder, OUTPUT));
    assert.not.ok(expected.equals(whole));
    rmSync(join(folder, 'out'), { recursive: true });
    const { code, stderr } = await interrupt(folder, argv);
    assert.is(code, 130, stderr);
    assert.match(await completes(folder, expected, argv), /continues after/);
  });
}

inInterrupted('a journal that was cut off anywhere', async (folder) => {
  const { size } = statSync(join(folder, JOURNAL));
  for (const share of [0, 0.001, 0.05, 0.3, 0.99]) {
    await copyFile(join(prepared, JOURNAL), join(folder, JOURNAL));
    await truncate(join(folder, JOURNAL), Math.floor(share * size));
    await completes(folder);
    rmSync(join(folder, 'out', RUN_NAME));
    rmSync(join(folder, 'out', `${RUN_NAME}.json`));
  }
});

inInterrupted('what is behind damage counts no more, and that is said', async (folder) => {
  const bytes = await readFile(join(folder, JOURNAL));
  const at = bytes.indexOf('\n# topic 9 ') + 1;
  for (const damage of [
    (copy: Buffer) => void (copy[at + 200]! ^= 1),
    // the records of two topics in another order
    (copy: Buffer) => {
      const [next, last] = [10, 11].map((topic) => copy.indexOf(`\n# topic ${topic} `) + 1) as [number, number];
      Buffer.concat([copy.subarray(next, last), copy.subarray(at, next)]).copy(copy, at);
    },
  ]) {
    const copy = Buffer.from(bytes);
    damage(copy);
    await writeFile(join(folder, JOURNAL), copy);
    const stderr = await completes(folder);
    const lost = bytes.length - at;
    assert.match(stderr, new RegExp(`^warning: ${JOURNAL}: the last ${lost} bytes are incomplete or damaged`, 'm'));
    assert.match(stderr, /continues after 9 of 400 topics/);
    rmSync(join(folder, 'out', RUN_NAME));
    rmSync(join(folder, 'out', `${RUN_NAME}.json`));
  }
});

const OTHER_RESULTS: [message: RegExp, argv: string[], change?: (folder: string) => Promise<unknown>][] = [
  [/depth was -1 and is now 3/, ['--data.inference_datasets.depth=3']],
  [/the set of topics scored was 400 of 400 \(.*\) and is now 7 of 400 \(/, ['--trainer.limit_test_batches=7']],
  [/precision was float32 and is now/, ['--trainer.precision=bf16-mixed']],
  [/query_length was 8 and is now 4/, ['--model.config.query_length=4', '--model.config.doc_length=40']],
  [/the input run was /, [], (folder) => changeFile(join(folder, 'data', RUN_NAME), 'd5 6 5 bm25', 'd5 6 4 bm25')],
  [/the collection was /, [], (folder) => changeFile(join(folder, 'data/docs.tsv'), 'd0\t', 'd0\tanother ')],
  [
    /the version was rank-distillm 0.*-old and is now/,
    [],
    (folder) => headerOf(folder, ({ by }) => ({ by: `${String(by)}-old` })),
  ],
  [
    /the CPU was one of another kind and is now/,
    [],
    (folder) => headerOf(folder, () => ({ kernels: 'one of another kind' })),
  ],
];

/** Gives a journal of one topic another header. */
async function headerOf(folder: string, change: (header: Record<string, unknown>) => object): Promise<void> {
  const journal = await RunJournal.open(join(folder, OUTPUT), () => assert.unreachable());
  await journal.begin({ ...journal.header!, ...change(journal.header!) });
  await journal.add(0, 'a line\n', 1, () => assert.unreachable());
  await journal.close();
}

for (const [message, argv, change] of OTHER_RESULTS) {
  inInterrupted(`never taken for another result: ${message.source}`, async (folder) => {
    await change?.(folder);
    const before = await readFile(join(folder, JOURNAL));
    const { code, stderr } = await run([...QUIETLY, ...argv], { cwd: folder });
    assert.is(code, 2, stderr);
    assert.match(
      stderr,
      /^error: out\/\.__bm25__tiny-set\.run\.partial: holds \d+ topics of an interrupted run, but of another result: /,
    );
    assert.match(stderr, message);
    assert.match(stderr, /^hint: Set overwrite to drop these topics, or save_dir or run_name to keep them\./m);
    assert.ok((await readFile(join(folder, JOURNAL))).equals(before));
    const anew = await run([...QUIETLY, ...argv, OVERWRITE], { cwd: folder });
    assert.is(anew.code, 0, anew.stderr);
    assert.not.match(anew.stderr, /continues after/);
    assert.equal(readdirSync(join(folder, 'out')).sort(), [RUN_NAME, `${RUN_NAME}.json`]);
  });
}

test('one process at a time writes a run, and after a kill -9 the next one goes on at once', () =>
  inFolder(async (folder) => {
    await writeLongCollection(folder, 3000);
    let refused: CliResult | undefined;
    await start(QUIETLY, folder, {
      act(kill) {
        const timer = setInterval(() => {
          if ((statSync(join(folder, JOURNAL), { throwIfNoEntry: false })?.size ?? 0) < 20_000) return;
          clearInterval(timer);
          kill('SIGSTOP');
          void run(QUIETLY, { cwd: folder }).then((result) => {
            refused = result;
            kill('SIGKILL');
          });
        }, 2);
      },
    });
    assert.is(refused!.code, 2);
    assert.is(
      refused!.stderr,
      `error: ${OUTPUT}: another process is writing it\nhint: Wait until that process has ended, or write another file.\n`,
    );
    const { code, stderr } = await run(QUIETLY, { cwd: folder });
    assert.is(code, 0, stderr);
    assert.match(stderr, /continues after [\d,]+ of 3,000 topics/);
    const reference = [...QUIETLY, '--trainer.callbacks.save_dir=whole'];
    assert.is((await run(reference, { cwd: folder })).code, 0);
    assert.ok(readFileSync(join(folder, OUTPUT)).equals(readFileSync(join(folder, 'whole', RUN_NAME))));
    assert.equal(readdirSync(join(folder, 'out')).sort(), [RUN_NAME, `${RUN_NAME}.json`]);
  }));

/** A journal with all topics, as it is when the process ends while the run is placed. */
async function completeJournal(folder: string): Promise<void> {
  const journal = await RunJournal.open(join(folder, OUTPUT), () => assert.unreachable());
  const byTopic = new Map<string, string>();
  for (const line of whole.toString().split(/(?<=\n)/)) {
    const id = line.slice(0, line.indexOf('\t'));
    byTopic.set(id, (byTopic.get(id) ?? '') + line);
  }
  for (const [index, text] of [...byTopic.values()].entries()) {
    if (!journal.has(index)) await journal.add(index, text, 2, () => assert.unreachable());
  }
  await journal.close();
}

inInterrupted('killed before the run was placed, or between the run and its record', async (folder) => {
  await completeJournal(folder);
  assert.match(await completes(folder), new RegExp(`^wrote ${OUTPUT}: all 400 topics had been scored before$`, 'm'));

  await copyFile(join(prepared, JOURNAL), join(folder, JOURNAL));
  await completeJournal(folder);
  await rm(join(folder, `${OUTPUT}.json`));
  await completes(folder);

  // but a run that is another one is not replaced
  await copyFile(join(prepared, JOURNAL), join(folder, JOURNAL));
  await rm(join(folder, `${OUTPUT}.json`));
  await writeFile(join(folder, OUTPUT), 'q Q0 d 1 1 mine\n');
  const { code, stderr } = await run(QUIETLY, { cwd: folder });
  assert.is(code, 2);
  assert.match(stderr, /exists, without a __bm25__tiny-set\.run\.json that records its provenance/);
  await completes(folder, whole, [OVERWRITE]);
});

inInterrupted('a finished run needs no journal', async (folder) => {
  await cp(join(prepared, 'whole'), join(folder, 'out'), { recursive: true });
  assert.match(await completes(folder), /holds this result already and is skipped/);
});

test('an interrupted command of several runs, with overwrite, computes none of them twice', () =>
  inFolder(async (folder) => {
    const names = ['a', 'b', 'c'];
    await writeLongCollection(folder, 300, names);
    const datasets = names.map((name) => `{run_path_or_id: data/${name}.run, dataset: tiny-set}`);
    const argv = [...QUIETLY, OVERWRITE, `--data.inference_datasets=[${datasets.join(', ')}]`];
    assert.is((await run(argv, { cwd: folder })).code, 0);
    const files = (): string[] => names.map((name) => readFileSync(join(folder, `out/${name}.run`), 'utf8'));
    const times = (): number[] => names.map((name) => statSync(join(folder, `out/${name}.run`)).mtimeMs);
    const [before, expected] = [times(), files()];

    const controller = new AbortController();
    const onStderr = (text: string): void => {
      if (text.startsWith('wrote out/a.run')) controller.abort();
    };
    const interrupted = await run(argv, { cwd: folder, signal: controller.signal, onStderr });
    assert.is(interrupted.code, 130, interrupted.stderr);
    const between = times();
    assert.equal(
      between.map((time, i) => time > before[i]!),
      [true, false, false],
    );
    const again = await run(argv, { cwd: folder });
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stderr, /^out\/a\.run holds this result already.*\n.*wrote out\/b\.run.*\nwrote out\/c\.run/s);
    assert.equal(
      times().map((time, i) => time > between[i]!),
      [false, true, true],
    );
    assert.equal(files(), expected);
    // a new command computes all of them
    assert.match((await run(argv, { cwd: folder })).stderr, /^wrote out\/a\.run/m);
  }));

test('a file of that name that is no journal stays as it is', () =>
  inFolder(async (folder) => {
    await writeLongCollection(folder, 2);
    mkdirSync(join(folder, 'out'));
    const precious = join(folder, 'precious');
    writeFileSync(precious, 'precious');
    const plants: [make: () => unknown, message: RegExp][] = [
      [() => writeFileSync(join(folder, JOURNAL), 'precious'), /is not a journal that rank-distillm wrote/],
      [() => symlinkSync(precious, join(folder, JOURNAL)), /is not a regular file/],
      [() => execFileSync('mkfifo', [join(folder, JOURNAL)]), /is not a regular file/],
      [() => mkdirSync(join(folder, JOURNAL)), /is a folder/],
      [
        () => writeFileSync(join(folder, JOURNAL), `# rank-distillm journal 2 1 ${'0'.repeat(64)}\n`),
        /has format version 2; this release reads 1/,
      ],
    ];
    for (const [make, message] of plants) {
      make();
      const { code, stderr } = await run(QUIETLY, { cwd: folder });
      assert.is(code, 2, stderr);
      assert.match(stderr, message);
      assert.equal(readdirSync(join(folder, 'out')), [`.${RUN_NAME}.partial`]);
      rmSync(join(folder, JOURNAL), { recursive: true });
    }
    assert.is(readFileSync(precious, 'utf8'), 'precious');
  }));

test('a name that leaves no room for that of the journal', () =>
  inFolder(async (folder) => {
    await writeLongCollection(folder, 2);
    const names = ['n'.repeat(255 - '.run.json'.length), 'ä'.repeat(122)].map((name) => `${name}.run`);
    for (const runName of names) {
      const path = await journalPath(join(folder, runName));
      await rerankRuns(
        rerankOptions(folder, { runName, onProgress: () => assert.ok(existsSync(join(path))), saveDir: folder }),
      );
      assert.ok(existsSync(join(folder, runName)));
      assert.not.ok(existsSync(path));
    }
    assert.is(new Set(await Promise.all(names.map((name) => journalPath(name)))).size, 2);
  }));

inInterrupted('when the folder is taken away, nothing is said to be kept', async (folder) => {
  const controller = new AbortController();
  const onProgress = (): void => {
    rmSync(join(folder, 'out'), { recursive: true, force: true });
    controller.abort();
  };
  const options = rerankOptions(folder, { saveDir: join(folder, 'out'), onProgress, signal: controller.signal });
  const error = await rerankRuns(options).catch((thrown: unknown) => thrown);
  assert.instance(error, RankDistillmError);
  assert.is((error as RankDistillmError).message, 'interrupted');
});

/** Whether this process may mount a small disk, in a mount namespace that ends with the process. */
const mounts = spawnSync('unshare', ['--mount', '--map-root-user', 'true']).status === 0;
if (!mounts) console.log('left out: a full disk, since this machine lets nobody make a mount namespace');
else {
  inInterrupted(
    'a disk that becomes full: scoring goes on, and the run is placed or kept elsewhere',
    async (folder) => {
      const script = join(folder, 'full.mjs');
      const source = (name: string) => JSON.stringify(new URL(`../../src/${name}.ts`, import.meta.url).href);
      await writeFile(
        script,
        `import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
      import { rerankRuns } from ${source('rerank/rerank-runs')};
      import { DatasetRegistry } from ${source('data/registry')};
      process.chdir(${JSON.stringify(folder)});
      const registry = new DatasetRegistry();
      registry.register('tiny-set', { docs: 'data/docs.tsv', queries: 'data/queries.tsv', qrels: 'data/test.qrels' });
      const warnings = [];
      const rerank = (roomAtEnd) => rerankRuns({
        model: 'mono-rank', runs: [{ runPathOrId: 'data/${RUN_NAME}' }], registry, saveDir: 'disk',
        onWarning: (message) => warnings.push(message),
        onProgress: ({ pairs, totalPairs }) => {
          if (!existsSync('disk/other')) {
            try { writeFileSync('disk/other', Buffer.alloc(2 ** 20)); } catch {}
          } else if (roomAtEnd && pairs === totalPairs) rmSync('disk/other');
        },
      });
      const error = await rerank(false).catch((error) => error);
      const kept = readFileSync(error.kept, 'utf8');
      rmSync('disk/other');
      for (const name of readdirSync('disk')) rmSync('disk/' + name);
      await rerank(true);
      const placed = readFileSync('disk/${RUN_NAME}', 'utf8');
      console.log(JSON.stringify([error.message, kept, placed, readdirSync('disk').join(), warnings]));`,
      );
      mkdirSync(join(folder, 'disk'));
      const shell = `mount -t tmpfs -o size=512k none ${folder}/disk && ${process.execPath} --import ${LOADER} ${script}`;
      const { stdout, stderr } = spawnSync('unshare', ['--mount', '--map-root-user', 'sh', '-c', shell], {
        env: { ...process.env, XDG_CACHE_HOME: temporaryFolder() },
        encoding: 'utf8',
      });
      assert.is(stderr, '');
      const [message, kept, placed, left, warnings] = JSON.parse(stdout) as [string, string, string, string, string[]];
      assert.match(message, /^disk\/.*\.run: cannot write: no space left on the device; the complete text is kept in /);
      assert.is(kept, whole.toString());
      assert.is(placed, whole.toString());
      assert.is(left, `${RUN_NAME},${RUN_NAME}.json`);
      assert.match(
        warnings[0]!,
        /^disk\/\.__bm25__tiny-set\.run\.partial: cannot write: no space left on the device; scoring goes on/,
      );
    },
  );
}

test.run();
