import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mergeRuns } from '../../src/rerank/merge-runs.js';
import { topicsOfShard } from '../../src/rerank/shards.js';
import { run } from '../support/cli.js';
import { writeLongCollection } from '../support/collections.js';
import { refuses } from '../support/errors.js';
import { changeFile, inFolder, listing, temporaryFolder, useOwnCache } from '../support/files.js';

const test = suite('shards of a run');
useOwnCache(test);

const TOPICS = 23;
const RUNS = ['a', 'b'];
const datasets = RUNS.map((name) => `{run_path_or_id: data/${name}.run, dataset: tiny-set}`);
const RE_RANK = [
  're_rank',
  '--config=config.yaml',
  `--data.inference_datasets=[${datasets.join(', ')}]`,
  '--trainer.callbacks+=ReRankCallback',
  '--trainer.callbacks.save_dir=out',
];
const shardsOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `out/${name}.shard-${String(i + 1).padStart(2, '0')}-of-0${count}.run`);

/** Two runs of one collection, re-ranked whole and in three shards. */
const prepared = temporaryFolder();
test.before(async () => {
  await writeLongCollection(prepared, TOPICS, RUNS);
  await succeeds(prepared, RE_RANK);
  await rename(join(prepared, 'out'), join(prepared, 'whole'));
  for (const shard of ['1/3', '2/3', '3/3']) await succeeds(prepared, [...RE_RANK, '--shard', shard]);
});

async function succeeds(folder: string, argv: string[]): Promise<{ stdout: string; stderr: string }> {
  const result = await run(argv, { cwd: folder });
  assert.is(result.code, 0, result.stderr);
  return result;
}

function inPrepared(name: string, act: (folder: string) => Promise<void>): void {
  test(name, () =>
    inFolder(async (folder) => {
      await cp(prepared, folder, { recursive: true });
      const before = process.cwd();
      process.chdir(folder);
      try {
        await act(folder);
      } finally {
        process.chdir(before);
      }
    }),
  );
}

/** A record without what differs between two calls for the same result. */
function recordOf(path: string): object {
  const { written: _, timing, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  return { ...rest, pairs: (timing as { pairs: number }).pairs };
}

inPrepared('merged runs are those of an undivided command, with their records', async (folder) => {
  const { stderr } = await succeeds(folder, ['merge', ...RUNS.flatMap((name) => shardsOf(name, 3)).reverse()]);
  assert.is(stderr, 'wrote out/b.run: 23 topics of 3 shards\nwrote out/a.run: 23 topics of 3 shards\n');
  for (const name of RUNS) {
    assert.is(readFileSync(`out/${name}.run`, 'utf8'), readFileSync(`whole/${name}.run`, 'utf8'));
    assert.equal(recordOf(`out/${name}.run.json`), recordOf(`whole/${name}.run.json`));
    const records = [1, 2, 3].map((shard) => recordOf(`out/${name}.shard-0${shard}-of-03.run.json`));
    assert.equal(
      records.map((record) => (record as { shard: { scored: number } }).shard.scored),
      [8, 8, 7],
    );
  }
  assert.equal(
    readdirSync('out').filter((name) => !name.includes('shard')),
    ['a.run', 'a.run.json', 'b.run', 'b.run.json'],
  );
  // the same again writes nothing; the command without --shard finds the runs and measures them
  const before = await listing('out');
  const again = await succeeds(folder, ['merge', ...shardsOf('a', 3)]);
  assert.is(again.stderr, 'out/a.run holds this result already and is skipped\n');
  const whole = await succeeds(folder, RE_RANK);
  assert.match(whole.stderr, /out\/a\.run holds this result already and is skipped.*\n.*b\.run holds this result/s);
  assert.match(whole.stdout, /^dataset +nDCG@10\na\.run +0\.\d+\nb\.run/);
  assert.equal(await listing('out'), before);
});

inPrepared('records with numbers of shards that no command takes are refused', async () => {
  const path = 'out/a.shard-01-of-03.run.json';
  const original = readFileSync(path, 'utf8');
  for (const [from, to] of [
    ['"count": 3', '"count": 4000000000'],
    ['"count": 3', '"count": 1e15'],
    ['"index": 1', '"index": 0'],
  ] as const) {
    await writeFile(path, original.replace(from, to));
    await refuses(() => mergeRuns({ shards: shardsOf('a', 3) }), 'bad_input', path, 'shard');
  }
});

test('a shard tells how to go on, is interrupted and continued as a run is, and is not measured', () =>
  inFolder(async (folder) => {
    await writeLongCollection(folder, 400, ['a']);
    const argv = RE_RANK.toSpliced(2, 1, `--data.inference_datasets=[${datasets[0]!}]`);
    const whole = await succeeds(folder, [...argv, '--trainer.callbacks.save_dir=whole']);
    assert.match(whole.stdout, /nDCG@10/);
    const controller = new AbortController();
    const onStderr = (text: string): void => {
      if (text.includes('pairs')) controller.abort();
    };
    for (const shard of ['1/2', '2/2']) {
      const options = { cwd: folder, signal: controller.signal, onStderr };
      const { code, stdout, stderr } = await run([...argv, '--shard', shard], options);
      assert.is(code, shard === '1/2' && stderr.includes('interrupted') ? 130 : code, stderr);
      const end = await succeeds(folder, [...argv, `--shard=${shard}`]);
      assert.is(stdout + end.stdout, '');
      assert.match(end.stderr, /^when all shards are there, rank-distillm merge joins them; this command without/m);
      assert.not.match(end.stderr, /judged topics|no measures/);
    }
    await succeeds(folder, ['merge', ...shardsOf('a', 2).map((path) => join(folder, path))]);
    assert.is(readFileSync(join(folder, 'out/a.run'), 'utf8'), readFileSync(join(folder, 'whole/a.run'), 'utf8'));
  }));

test('every topic is in one shard', () => {
  for (const topics of [1, 2, 7, 100]) {
    for (let count = 1; count <= topics; count++) {
      const shards = Array.from({ length: count }, (_, i) => topicsOfShard(topics, { index: i + 1, count }));
      assert.equal(
        shards.flat().sort((a, b) => a - b),
        [...Array(topics).keys()],
      );
      const sizes = shards.map(({ length }) => length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }
  }
});

const LIMITED = [...RE_RANK, '--trainer.limit_test_batches=5', '--trainer.callbacks.run_name=limited.txt'].toSpliced(
  2,
  1,
  `--data.inference_datasets=[${datasets[0]!}]`,
);

inPrepared('a limit counts the topics of all shards', async (folder) => {
  await succeeds(folder, [...LIMITED, '--trainer.callbacks.save_dir=whole']);
  for (const shard of ['1/2', '2/2']) await succeeds(folder, [...LIMITED, '--shard', shard]);
  await succeeds(folder, ['merge', 'out/limited.shard-01-of-02.txt', 'out/limited.shard-02-of-02.txt']);
  assert.is(readFileSync('out/limited.txt', 'utf8'), readFileSync('whole/limited.txt', 'utf8'));
  assert.equal(recordOf('out/limited.txt.run.json'), recordOf('whole/limited.txt.run.json'));
});

for (const [argv, message] of [
  [['--shard', '0/3'], /--shard: expected a part such as 2\/8, received "0\/3"/],
  [['--shard=4/3'], /shard: there is no part 4 of 3/],
  [['--shard=2'], /--shard: expected a part such as 2\/8, received "2"/],
  [['--shard=-1/3'], /--shard: expected a part such as 2\/8/],
  [['--shard=24/24'], /shard: a\.run has 23 topics, too few for 24 parts\nhint: Divide it into at most 23 parts/],
  [['--shard=1/2', '--report=report.html'], /--report and --shard exclude each other/],
] as const) {
  inPrepared(`refused: ${argv.join(' ')}`, async (folder) => {
    const before = await listing('.');
    const { code, stderr } = await run([...RE_RANK, ...argv], { cwd: folder });
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
    assert.equal(await listing('.'), before);
  });
}

const A = shardsOf('a', 3);

const REFUSED: [what: string, argv: string[], message: RegExp, change?: () => Promise<unknown>][] = [
  [
    'a missing shard',
    [A[0]!, A[2]!],
    /^error: out\/a\.run: of 3 shards, shard 2 missing\nhint: Run the command of each/,
  ],
  ['two missing shards', [A[1]!], /of 3 shards, shards 1, 3 missing/],
  ['a shard that is named twice', [...A, A[1]!], /out\/a\.shard-02-of-03\.run: shard 2 of 3 is given twice/],
  [
    'a copy of a shard under the name of another one',
    A,
    /shard 1 of 3 is given twice, also by out\/a\.shard-01-of-03\.run/,
    async () => {
      for (const suffix of ['', '.json']) await cp(`${A[0]}${suffix}`, `${A[1]}${suffix}`);
    },
  ],
  ['no such file', [...A, 'out/a.shard-04-of-04.run'], /^error: out\/a\.shard-04-of-04\.run: no such file or folder/],
  ['a whole run', ['whole/a.run'], /whole\/a\.run: is a whole run, no shard/],
  ['a run that says nothing of itself', A, /there is no a\.shard-02-of-03\.run\.json/, () => rm(`${A[1]}.json`)],
  ['only records', A.map((path) => `${path}.json`), /no run is given, only records of runs/],
  [
    'a name that does not say which run it belongs to',
    ['out/x.run', A[1]!, A[2]!],
    /out\/x\.run: the name does not say which run it is a part of\nhint: Name the whole run: --output/,
    async () => {
      for (const suffix of ['', '.json']) await rename(`${A[0]}${suffix}`, `out/x.run${suffix}`);
    },
  ],
  [
    'a shard that was changed',
    A,
    /a\.shard-02-of-03\.run: is not the run that a\.shard-02-of-03\.run\.json describes: it was changed since/,
    () => changeFile(A[1]!, 'MonoElectraModel', 'MonoElectraMoDel'),
  ],
  [
    'a shard that has become shorter',
    A,
    /a\.shard-02-of-03\.run: is not the run that .* describes/,
    async () => writeFile(A[1]!, (await readFile(A[1]!)).subarray(0, 900)),
  ],
  [
    'a shard that has become longer',
    A,
    /a\.shard-03-of-03\.run: is not the run that .* describes/,
    async () => writeFile(A[2]!, Buffer.concat([await readFile(A[2]!), Buffer.alloc(3_000_000)])),
  ],
  [
    'a record with other topics',
    A,
    /the shards of out\/a\.shard-01-of-03\.run do not hold the topics of .*data\/a\.run/,
    async () => {
      for (const path of A) await changeFile(`${path}.json`, /("topics": \{[^}]*"ids": "sha256:)..../s, '$10000');
    },
  ],
  [
    'an existing run of another result',
    A,
    /out\/a\.run: exists, without a a\.run\.json.*\nhint: Set overwrite to replace the run, or output to keep both/,
    () => writeFile('out/a.run', 'mine'),
  ],
  [
    'an output over a shard',
    [...A, '--output', A[1]!, '--overwrite'],
    /out\/a\.shard-02-of-03\.run: would overwrite the input out\/a\.shard-02-of-03\.run/,
  ],
];

for (const [what, argv, message, change] of REFUSED) {
  inPrepared(`not merged: ${what}`, async (folder) => {
    await change?.();
    const before = await listing('.');
    const { code, stderr } = await run(['merge', ...argv], { cwd: folder });
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
    assert.equal(await listing('.'), before);
  });
}

inPrepared('not merged: shards of two results', async (folder) => {
  for (const [shard, argv, message] of [
    ['2/3', ['--trainer.callbacks.overwrite=true', '--data.inference_datasets.0.depth=3'], /depth is 3, and -1 there/],
    ['4/4', [], /it is one of 4 parts, and one of 3 there/],
  ] as const) {
    await succeeds(folder, [...RE_RANK, ...argv, '--shard', shard]);
    const of = shard.endsWith('3') ? A : [...A, 'out/a.shard-04-of-04.run'];
    const { code, stderr } = await run(['merge', ...of], { cwd: folder });
    assert.is(code, 2, stderr);
    assert.match(stderr, new RegExp(`is not a part of the same run as out/a\\.shard-01-of-03\\.run: `));
    assert.match(stderr, message);
    await succeeds(folder, [...RE_RANK, '--trainer.callbacks.overwrite=true', '--shard', '2/3']);
  }
});

inPrepared('from TypeScript, with another output; a crash between run and record is mended', async () => {
  const heard: string[] = [];
  const options = {
    shards: A,
    output: 'merged/all.run',
    onRun: ({ outputPath }: { outputPath: string }) => heard.push(outputPath),
  };
  const result = { outputPath: 'merged/all.run', shards: 3, topics: TOPICS };
  assert.equal(await mergeRuns(options), [{ ...result, existed: false }]);
  assert.equal(heard, ['merged/all.run']);
  rmSync('merged/all.run.json');
  assert.equal(await mergeRuns(options), [{ ...result, existed: false }]);
  assert.equal(await mergeRuns(options), [{ ...result, existed: true }]);
  assert.is(readFileSync('merged/all.run', 'utf8'), readFileSync('whole/a.run', 'utf8'));
  writeFileSync('merged/all.run', 'another');
  await refuses(() => mergeRuns(options), 'bad_input', 'is not the run that all.run.json describes');
  assert.equal(await mergeRuns({ ...options, overwrite: true }), [{ ...result, existed: false }]);
  assert.is(readFileSync('merged/all.run', 'utf8'), readFileSync('whole/a.run', 'utf8'));
  await refuses(() => mergeRuns({ shards: [] }), 'bad_input', 'options.shards');
});

test.run();
