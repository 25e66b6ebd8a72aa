import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { createPairTokenizer, type PairTokenizer, type TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { sharedPath } from '../support/shared.js';
import { nastyTexts } from './nasty-texts.js';
import { checkpointOf, encoderOf } from '../support/models.js';
import { HANGS_MS, LOADER } from '../support/programs.js';

const run = promisify(execFile);
const test = suite('threads of the tokenizer');
const started: Worker[] = [];
const opened: PairTokenizer[] = [];
const onWorker = (worker: Worker): void => void started.push(worker);

test.before.each(() => {
  started.length = 0;
  process.on('worker', onWorker);
});
test.after.each(async () => {
  process.off('worker', onWorker);
  await Promise.all(opened.splice(0).map((tokenizer) => tokenizer.close()));
});

async function open(
  threads: number,
  checkpoint: Parameters<typeof createPairTokenizer>[0] = checkpointOf('uncased-vocab'),
) {
  const tokenizer = await createPairTokenizer(checkpoint, { threads });
  opened.push(tokenizer);
  return tokenizer;
}

/** Documents many, queries few: both kinds of request occur. */
function pairsOf(texts: readonly string[]): TextPair[] {
  return texts.map((document, i) => ({ query: texts[Math.floor(i / 9)]!, document }));
}

async function errorOf(promise: Promise<unknown>): Promise<RankDistillmError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, RankDistillmError);
  return error as RankDistillmError;
}

async function compare(checkpoint: Parameters<typeof createPairTokenizer>[0], pairs: TextPair[]): Promise<void> {
  const [here, there] = [await open(0, checkpoint), await open(2, checkpoint)];
  const expected = await here.encodePairs(pairs);
  assert.is(started.length, 0);
  const half = Math.floor(pairs.length / 2);
  const encoded = await Promise.all([there.encodePairs(pairs.slice(0, half)), there.encodePairs(pairs.slice(half))]);
  assert.is(started.length, 2);
  assert.equal(encoded.flat(), expected);
  assert.equal(await there.encodePairs(pairs), expected, 'from the cache');
}

// each of another kind: plain BERT, added tokens inside words, cut on the left
for (const name of ['uncased-vocab', 'legacy-vocab', 'left-json']) {
  test(`${name}: nasty texts have the same ids with threads and without`, () =>
    compare(checkpointOf(name), pairsOf(nastyTexts(800))));
}

const golden = sharedPath('golden/tiny-monoelectra');
const goldenPairs = sharedPath('golden/pairs.jsonl');
const collection = sharedPath('data/trec-dl-2020/collection.tsv');
if (golden !== undefined && goldenPairs !== undefined && collection !== undefined) {
  test('golden pairs and TREC passages have the same ids with threads and without', async () => {
    const lines = (file: string) => readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const pairs = [
      ...lines(goldenPairs).map((line) => JSON.parse(line) as { query: string; doc: string }),
      ...lines(collection)
        .slice(0, 1_500)
        .map((line) => ({ query: line.slice(0, 60), doc: line })),
    ].map(({ query, doc }) => ({ query, document: doc }));
    const encoder = encoderOf({ vocabSize: 30_522, maxPositions: 512 });
    const lightningIr = { kind: 'lightning-ir' as const, queryLength: 32, docLength: 256, maxLength: 512 };
    await compare({ folder: golden, encoder, pairEncoding: lightningIr }, pairs);
  });
}

test('pairs that share an odd room are cut the same with threads and without', () => {
  const { folder, encoder } = checkpointOf('uncased-vocab');
  const long = nastyTexts(400).map((text, i) => `${text} `.repeat(1 + (i % 40)));
  return compare({ folder, encoder, pairEncoding: { kind: 'longest-first', maxLength: 32 } }, pairsOf(long));
});

test('small requests start no thread', async () => {
  const tokenizer = await open(2);
  await tokenizer.encodePairs(pairsOf(nastyTexts(10)));
  assert.is(started.length, 0);
});

test('bad input gives the same error with threads and without', async () => {
  const texts = nastyTexts(400);
  const tooSmall = checkpointOf('uncased-vocab', 200);
  const cases: [Parameters<typeof createPairTokenizer>[0], TextPair[]][] = [
    [tooSmall, pairsOf(texts)],
    [tooSmall, pairsOf([...Array.from({ length: 300 }, (_, i) => `a ${i}`), ...texts])],
    [tooSmall, texts.map((text) => ({ query: text, document: undefined as unknown as string }))],
    [
      checkpointOf('uncased-vocab'),
      texts.map((text, i) => ({ query: text, document: i === 390 ? (7 as unknown as string) : text })),
    ],
  ];
  for (const [checkpoint, pairs] of cases) {
    const [here, there] = [await open(0, checkpoint), await open(2, checkpoint)];
    const expected = await errorOf(here.encodePairs(pairs));
    const error = await errorOf(there.encodePairs(pairs));
    assert.is(error.message, expected.message);
    assert.is(error.code, expected.code);
    assert.is(error.hint, expected.hint);
  }
  assert.ok(started.length > 0);
});

test('an abort ends the wait before a thread has answered, and the next call is whole', async () => {
  const tokenizer = await open(1);
  const pairs = pairsOf(nastyTexts(800));
  const controller = new AbortController();
  const encoding = errorOf(tokenizer.encodePairs(pairs, controller.signal));
  const [worker] = (await once(process, 'worker')) as [Worker];
  const ready = new Promise<string>((resolve) => worker.once('message', () => resolve('ready')));
  controller.abort(new Error('enough'));
  assert.is(await Promise.race([encoding.then(({ code }) => code), ready]), 'aborted');
  const other = await open(0);
  assert.equal(await tokenizer.encodePairs(pairs), await other.encodePairs(pairs));
});

test('close ends what is worked on and the threads', async () => {
  const tokenizer = await open(2);
  await tokenizer.encodePairs(pairsOf(nastyTexts(200)));
  const ended = started.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  const encoding = errorOf(tokenizer.encodePairs(pairsOf(nastyTexts(2_000).map((text) => `${text} x`))));
  await tokenizer.close();
  assert.is((await encoding).code, 'closed');
  assert.is((await Promise.all(ended)).length, 2);
  await tokenizer.close();
  assert.is((await errorOf(tokenizer.encodePairs([]))).code, 'closed');
});

test('a thread that dies is one clear error, and the next call starts others', async () => {
  const tokenizer = await open(2);
  // so many that they cannot be done before the thread has ended
  const pairs = pairsOf(nastyTexts(8000));
  // ended when it has just been given its first work
  process.once('worker', (worker) => worker.once('message', () => void worker.terminate()));
  const error = await errorOf(tokenizer.encodePairs(pairs));
  assert.is(error.code, 'native');
  assert.match(error.message, /a tokenizer thread died/);
  assert.match(error.hint!, /tokenizerThreads/);
  await tokenizer.encodePairs(pairs);
  assert.is(started.length, 4);
  const idle = started.at(-1)!;
  await idle.terminate();
  assert.is((await tokenizer.encodePairs(pairsOf(nastyTexts(200).map((text) => `${text} x`)))).length, 200);
});

for (const [kind, thread] of [
  ['plain', 'main'],
  ['nested', 'worker'],
]) {
  test(`a ${thread} thread whose tokenizer is still open ends by itself`, async () => {
    const program = fileURLToPath(new URL('encode-and-leave.ts', import.meta.url));
    const { stdout } = await run(process.execPath, ['--import', LOADER, program, kind!], { timeout: HANGS_MS });
    assert.match(stdout, new RegExp(`^${thread} \\d+\\n$`));
  });
}

test.run();
