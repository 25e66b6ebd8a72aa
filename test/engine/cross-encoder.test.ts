import { execFile } from 'node:child_process';
import { appendFileSync, cpSync, readFileSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { RankDistillmError, type ErrorCode } from '../../src/errors.js';
import { loadBinding } from '../../src/io/load-binding.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { inFolder, writeFiles } from '../support/files.js';
import { copyModel } from '../support/models.js';
import { isSanitized, referenceModel } from '../support/engine.js';
import { joinSafetensors, splitSafetensors } from '../support/safetensors.js';
import { HANGS_MS, LOADER } from '../support/programs.js';
import { TOLERANCES } from '../support/tolerances.js';

const test = suite('CrossEncoder');
const reference = await referenceModel('mono-rank');
const { folder, pairs } = reference;
const many = Array.from({ length: 40_000 }, (_, i) => pairs[i % pairs.length]!);
/** Pairs of which no two are equal, so that each is computed. */
const different = many.map(({ query, document }, i) => ({ query: `${query} ${i}`, document }));

const isOnlyIn = (token: number, at: number): boolean =>
  pairs.every(({ input_ids }, i) => input_ids.includes(token) === (i === at));

/** Writes a number into a row of a matrix of the model's file. */
function overwrite(model: string, name: RegExp, row: number, value: number): void {
  const path = join(model, 'model.safetensors');
  const { header, data } = splitSafetensors(readFileSync(path));
  const entry = Object.entries(header).find(([key]) => name.test(key))![1];
  data.writeFloatLE(value, entry.data_offsets[0] + 4 * entry.shape[1]! * row);
  writeFileSync(path, joinSafetensors(header, data));
}

async function errorOf(promise: Promise<unknown>): Promise<RankDistillmError> {
  const error = await promise.then(
    () => assert.unreachable('no error'),
    (thrown: unknown) => thrown,
  );
  assert.instance(error, RankDistillmError);
  return error as RankDistillmError;
}

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    assert.instance(error, RankDistillmError);
    return (error as RankDistillmError).code;
  }
}

/** Runs a module that imports the package's sources, in a process of its own; `limits` are the shell's. */
async function inProcess(
  script: string,
  env: Record<string, string> = {},
  limits = '',
): Promise<{ stdout: string; stderr: string }> {
  const { href } = new URL('../../src/index.ts', import.meta.url);
  const source = `import { CrossEncoder } from '${href}'; const folder = '${folder}'; ${script}`;
  const command = [process.execPath, '--import', LOADER, '--input-type=module', '-e', source];
  // no shell where none is needed: those of Debian end at once beside the thread sanitizer
  const [program, ...args] = limits ? ['sh', '-c', `${limits}\nexec "$@"`, 'sh', ...command] : command;
  return await promisify(execFile)(program!, args, { env: { ...process.env, ...env }, timeout: HANGS_MS });
}

test('rank orders by score, cuts, and returns documents on request', async () => {
  await using model = await CrossEncoder.load(folder);
  const { query } = pairs[0]!;
  const documents = pairs.map((pair) => pair.document);
  const logits = await model.score(documents.map((document) => ({ query, document })));
  const all = await model.rank(query, documents);
  assert.is(all.length, documents.length);
  assert.equal(
    all.map((entry) => entry.score),
    [...logits].sort((a, b) => b - a),
  );
  for (const { index, score } of all) assert.is(score, logits[index]);
  const top = await model.rank(query, documents, { topK: 3, returnDocuments: true, activation: 'sigmoid' });
  assert.equal(
    top.map((entry) => entry.index),
    all.slice(0, 3).map((entry) => entry.index),
  );
  for (const { index, score, document } of top) {
    assert.is(document, documents[index]);
    assert.ok(Math.abs(score - 1 / (1 + Math.exp(-logits[index]!))) < 1e-6);
  }
});

test('a stream gives the scores of score(), in order, with the reference token ids', async () => {
  await using model = await CrossEncoder.load(folder);
  let i = 0;
  for await (const { score, encoded } of model.scoreStream(many.slice(0, 3000))) {
    const pair = pairs[i++ % pairs.length]!;
    assert.equal([...encoded.inputIds], pair.input_ids);
    assert.ok(Math.abs(score - pair.score) <= TOLERANCES.auto.float32.score);
  }
  assert.is(i, 3000);
});

test('a pair that occurs many times is computed once and has its score everywhere', async () => {
  await using model = await CrossEncoder.load(folder);
  const once = await model.score(pairs);
  let windows = 0;
  const again = await model.score(many, { onProgress: () => ++windows });
  assert.is(windows, 1); // 40,000 different pairs are dozens
  assert.equal(
    again,
    Float32Array.from(many, (_, i) => once[i % pairs.length]!),
  );
});

test('progress counts up to the total', async () => {
  await using model = await CrossEncoder.load(folder);
  const seen: number[] = [];
  await model.score(different.slice(0, 20_000), { onProgress: ({ done, total }) => seen.push(done / total) });
  assert.ok(seen.length > 1);
  assert.equal(seen, [...seen].sort());
  assert.is(seen.at(-1), 1);
});

test('an abort ends the run, and the model stays usable', async () => {
  await using model = await CrossEncoder.load(folder);
  const controller = new AbortController();
  const run = model.score(different, { signal: controller.signal, onProgress: () => controller.abort() });
  assert.is(await codeOf(run), 'aborted');
  assert.is(await codeOf(model.score(pairs, { signal: AbortSignal.abort() })), 'aborted');
  assert.is((await model.score(pairs)).length, pairs.length);
  assert.is(await codeOf(CrossEncoder.load(folder, { signal: AbortSignal.abort() })), 'aborted');
});

test('any number of calls share a signal, and one abort ends them all', async () => {
  const { stdout, stderr } = await inProcess(`
    const model = await CrossEncoder.load(folder);
    const controller = new AbortController();
    const { signal } = controller;
    const score = (pairs) => model.score(pairs, { signal });
    const few = await Promise.all(Array.from({ length: 15 }, () => score([{ query: 'a', document: 'b' }])));
    const many = Array.from({ length: 5000 }, (_, i) => ({ query: 'a', document: 'b ' + i }));
    const runs = Array.from({ length: 15 }, () => score(many).catch((error) => error.code));
    setImmediate(() => controller.abort());
    console.log(few.length, new Set(await Promise.all(runs)));
    await model.close();`);
  assert.is(stdout, "15 Set(1) { 'aborted' }\n");
  assert.is(stderr, '');
});

test('a score that is not finite is an error that names the pair, or is returned and ranked last', () =>
  inFolder(async (damaged) => {
    await copyModel(damaged, 'mono-rank');
    // the embedding of a token that one document alone has
    const odd = pairs.findIndex(({ input_ids }, i) => input_ids.some((id) => isOnlyIn(id, i)));
    const token = pairs[odd]!.input_ids.find((id) => isOnlyIn(id, odd))!;
    overwrite(damaged, /word_embeddings/, token, NaN);
    await using model = await CrossEncoder.load(damaged);
    const error = await errorOf(model.score(pairs));
    assert.is(error.code, 'bad_input');
    assert.match(error.message, new RegExp(`the score of pair ${odd} \\(from 0\\) is NaN`));
    const stream = async (): Promise<void> => {
      for await (const _ of model.scoreStream(pairs));
    };
    assert.is(await codeOf(stream()), 'bad_input');
    const scores = await model.score(pairs, { nonFinite: 'return' });
    assert.equal(
      [...scores.keys()].filter((i) => Number.isNaN(scores[i])),
      [odd],
    );
    const documents = pairs.map(({ document }) => document);
    const ranked = await model.rank(pairs[0]!.query, documents, { nonFinite: 'return' });
    assert.is(ranked.at(-1)!.index, odd);
    const finite = ranked.slice(0, -1).map(({ score }) => score);
    assert.equal(
      finite,
      finite.toSorted((a, b) => b - a),
    );
  }));

test('one call more than queueLimit is refused, and those before it go on', async () => {
  await using model = await CrossEncoder.load(folder, { queueLimit: 2 });
  const runs = [model.score(different.slice(0, 3000)), model.score(different.slice(0, 3000))];
  const error = await errorOf(model.score(pairs));
  assert.is(error.code, 'busy');
  assert.match(error.message, /2 calls are unfinished/);
  for (const scores of await Promise.all(runs)) assert.is(scores.length, 3000);
  assert.is((await model.score(pairs)).length, pairs.length);
});

test('weights that are truncated, overwritten or replaced after loading change no score', () =>
  inFolder(async (copy) => {
    const file = join(copy, 'model.safetensors');
    const spoil: (() => void)[] = [
      () => truncateSync(file, 0),
      () => writeFileSync(file, readFileSync(file).fill(0x3e, 20_000)),
      () => renameSync(join(copy, 'config.json'), file),
    ];
    for (const change of spoil) {
      await copyModel(copy);
      await using model = await CrossEncoder.load(copy);
      const before = await model.score(pairs);
      change();
      assert.equal(await model.score(pairs), before);
    }
  }));

test('weights that change between their header and their tensors are refused', () =>
  inFolder(async (copy) => {
    const file = join(copy, 'model.safetensors');
    const changes: (() => void)[] = [
      () => truncateSync(file, 100_000),
      () => appendFileSync(file, 'x'),
      () => {
        cpSync(file, `${file}.new`);
        renameSync(`${file}.new`, file);
      },
      () => utimesSync(file, 1, 1),
    ];
    for (const change of changes) {
      for (const kind of [CrossEncoder, TrainableModel]) {
        await copyModel(copy);
        const checkpoint = await loadCheckpoint(copy);
        change();
        const error = await errorOf(kind.fromCheckpoint(checkpoint));
        assert.is(error.code, 'bad_input');
        assert.match(error.message, /model\.safetensors: was changed while the model was loaded/);
      }
    }
  }));

test('close waits for the run, can be called twice, and ends the model', async () => {
  const model = await CrossEncoder.load(folder);
  const run = model.score(different.slice(0, 5000));
  await Promise.all([model.close(), model.close()]);
  assert.is((await run).length, 5000);
  assert.is(await codeOf(model.score(pairs)), 'closed');
});

test('a model whose tokenizer does not load holds no memory', () =>
  inFolder(async (broken) => {
    await copyModel(broken);
    await writeFiles(broken, { 'tokenizer.json': '{"broken": 1}' });
    const held = loadBinding().info().weightBytes;
    assert.is(await codeOf(CrossEncoder.load(broken)), 'unsupported');
    assert.is(await codeOf(TrainableModel.load(broken)), 'unsupported');
    await (await CrossEncoder.load(folder)).close(); // the engine is done with all that came before
    assert.is(loadBinding().info().weightBytes, held);
  }));

test('bad arguments name the argument', async () => {
  await using model = await CrossEncoder.load(folder);
  const bad: [() => Promise<unknown>, RegExp][] = [
    [() => model.score([{ query: 'q' } as never]), /pairs\[0\]\.document: expected a string/],
    [() => model.score([...pairs, null as never]), /pairs\[\d+\]\.query: expected a string/],
    [() => model.rank('q', ['d'], { topK: -1 }), /topK/],
    [() => CrossEncoder.load(folder, { threads: 0 }), /threads/],
    [
      () => CrossEncoder.load(folder, { tokenizerThreads: -1 }),
      /tokenizerThreads: expected a whole number of at least 0/,
    ],
    [() => CrossEncoder.load(folder, { tokenizerThreads: 1.5 }), /tokenizerThreads/],
    [() => CrossEncoder.load(folder, { device: 'cuda' }), /device|engine for GPUs is not installed/],
    [() => CrossEncoder.load(folder, { precision: '16-mixed' }), /precision/],
  ];
  for (const [call, message] of bad) {
    const error = await call().then(
      () => assert.unreachable(String(message)),
      (reason: unknown) => reason as RankDistillmError,
    );
    assert.instance(error, RankDistillmError);
    assert.match(error!.message, message);
    assert.type(error!.hint, 'string');
  }
});

test('threads that tokenize change no score, end with the model, and do not keep the process', async () => {
  const { stdout } = await inProcess(
    `const [one, two] = await Promise.all([0, 2].map((tokenizerThreads) => CrossEncoder.load(folder, { tokenizerThreads })));
     const pairs = Array.from({ length: 2000 }, (_, i) => ({ query: 'sovaba ' + (i >> 6), document: 'limlim ' + i }));
     let threads = 0;
     process.on('worker', (worker) => worker.once('exit', () => console.log(--threads, 'left')) && ++threads);
     const [without, beside] = [await one.score(pairs), await two.score(pairs)];
     console.log(threads, 'begun,', without.every((score, i) => score === beside[i]) ? 'equal' : 'different');
     await two.close();
     const open = await CrossEncoder.load(folder, { tokenizerThreads: 1 });
     console.log((await open.score(pairs)).length, 'scores');`,
  );
  assert.equal(stdout.trim().split('\n'), ['2 begun, equal', '1 left', '0 left', '2000 scores']);
});

test('a process may end while the engine works', async () => {
  const { stdout } = await inProcess(
    `const model = await CrossEncoder.load(folder);
     const pairs = Array.from({ length: 50000 }, (_, i) => ({ query: 'sovaba ' + i, document: 'limlim '.repeat(50) }));
     void model.score(pairs, { onProgress: () => { console.log('working'); process.exit(0); } });`,
  );
  assert.is(stdout.trim(), 'working');
});

// a sanitizer's own memory is more than the limit
if (isSanitized) console.log('left out: limits of memory end a process with sanitizers');
else {
  test('threads that the system does not start are one error, and what worked before goes on', async () => {
    const { stdout } = await inProcess(
      `const model = await CrossEncoder.load(folder, { threads: 2 });
     const scores = model.score([{ query: 'sovaba', document: 'limlim' }]);
     await CrossEncoder.load(folder, { threads: 1024 }).catch(({ code, message, hint }) => console.log(code, message, hint));
     const more = await model.score([{ query: 'sovaba', document: 'tulmo' }]);
     console.log((await scores).length + more.length, 'by', model.engine.threads);`,
      {},
      'ulimit -S -s 262144; ulimit -v 60000000', // kB: memory for some hundred threads' stacks
    );
    assert.match(
      stdout,
      /^native the system lets the engine have \d+ of 1024 threads: \S.* Ask for fewer threads.*\n2 by 2\n$/,
    );
  });
}

test('workers load the addon again, and one may be terminated in the middle of a run', async () => {
  const { href } = new URL('../../src/index.ts', import.meta.url);
  const source = `import { parentPort, workerData } from 'node:worker_threads';
    import '${LOADER}';
    const { CrossEncoder } = await import('${href}');
    const model = await CrossEncoder.load(workerData.folder);
    parentPort.postMessage([...(await model.score(workerData.pairs))]);
    for (;;) await model.score(workerData.pairs);`;
  const start = (): Worker =>
    new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { folder, pairs },
    });
  await using model = await CrossEncoder.load(folder);
  const workers = [start(), start()];
  const answers = workers.map(
    (worker) =>
      new Promise<number[]>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  for (const scores of await Promise.all(answers)) {
    pairs.forEach((pair, i) => assert.ok(Math.abs(scores[i]! - pair.score) <= TOLERANCES.auto.float32.score));
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.is((await model.score(pairs)).length, pairs.length);
});

test('the engine says what it runs on', async () => {
  await using model = await CrossEncoder.load(folder, { precision: 'bf16-mixed', onWarning: () => undefined });
  const { devices, threads } = model.engine;
  assert.equal(devices, ['cpu']);
  assert.ok(threads >= 1);
  assert.is(model.precision, model.arithmetic.products);
  assert.is(loadBinding(), loadBinding());
});

test.run();
