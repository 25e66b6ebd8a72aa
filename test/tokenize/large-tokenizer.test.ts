import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { temporaryFolder } from '../support/files.js';
import { encoderOf } from '../support/models.js';

// A tokenizer.json above a megabyte is parsed, checked and used in a thread; the small one it extends, on this thread.
const test = suite('a large tokenizer');

const small = fileURLToPath(new URL('subwords/xlm-roberta', import.meta.url));
const large = temporaryFolder();
/** Of XLM-RoBERTa: 250,000; so many take a few megabytes. */
const TOKENS = 60_000;

interface Definition {
  model: { vocab: [string, number][] };
}

test.before(async () => {
  await cp(small, large, { recursive: true });
  const path = join(large, 'tokenizer.json');
  const definition = JSON.parse(await readFile(path, 'utf8')) as Definition;
  // of a character that no text here has, so the ids stay those of the small one
  const { vocab } = definition.model;
  for (let id = vocab.length; id < TOKENS; id++) vocab.push([`\u{1f409}${id.toString(36)}`, -20]);
  await writeFile(path, JSON.stringify(definition, null, 2));
});

function checkpoint(folder: string, maxLength = 128) {
  return {
    folder,
    encoder: encoderOf({ vocabSize: TOKENS, maxPositions: 128 }),
    pairEncoding: { kind: 'longest-first' as const, maxLength },
  };
}

const texts = Array.from(
  { length: 300 },
  (_, i) => `the ${i}th house, and what is in it ${'on and on '.repeat(i % 20)}`,
);
const pairs = texts.map((document, i) => ({ query: texts[i % 7]!, document }));

for (const threads of [0, 2]) {
  test(`with ${threads} threads it gives the ids of the small one`, async () => {
    const started: Worker[] = [];
    const onWorker = (worker: Worker): void => void started.push(worker);
    process.on('worker', onWorker);
    const expected = await createPairTokenizer(checkpoint(small));
    const tokenizer = await createPairTokenizer(checkpoint(large), { threads });
    try {
      assert.is(started.length, 1);
      assert.equal(await tokenizer.encodePairs(pairs.slice(0, 5)), await expected.encodePairs(pairs.slice(0, 5)));
      assert.is(started.length, 1);
      assert.equal(await tokenizer.encodePairs(pairs), await expected.encodePairs(pairs));
      assert.is(tokenizer.vocabSize, TOKENS);
      assert.is(started.length, Math.max(1, threads));
    } finally {
      process.off('worker', onWorker);
      await Promise.all([tokenizer.close(), expected.close()]);
    }
  });
}

test('pairs whose sides both overflow an odd room are cut the same', async () => {
  const long = pairs.map(({ query, document }) => ({ query: query.repeat(3), document }));
  const both = [small, large].map((folder) => createPairTokenizer(checkpoint(folder, 35)));
  const [here, there] = await Promise.all(both);
  try {
    assert.equal(await there!.encodePairs(long), await here!.encodePairs(long));
  } finally {
    await Promise.all([here!.close(), there!.close()]);
  }
});

test('the event loop turns while it loads', async () => {
  // Loading the small one takes turns for its files only. If any step of the large one's ran here, a turn would wait for it,
  // and there would be about as many.
  const turnsOf = async (folder: string): Promise<number> => {
    let turns = 0;
    let done = false;
    const counting = (async () => {
      for (; !done; turns++) await setImmediate();
    })();
    const tokenizer = await createPairTokenizer(checkpoint(folder)).finally(() => (done = true));
    await counting;
    await tokenizer.close();
    return turns;
  };
  await turnsOf(small);
  const [few, many] = [await turnsOf(small), await turnsOf(large)];
  assert.ok(many > 8 * few, `${many} turns for the large one, ${few} for the small one`);
});

test('its errors are those of a small one, and leave no thread', async () => {
  const started: Worker[] = [];
  const onWorker = (worker: Worker): void => void started.push(worker);
  process.on('worker', onWorker);
  const messageOf = async (given: ReturnType<typeof checkpoint>): Promise<string> => {
    const error: unknown = await createPairTokenizer(given).catch((reason: unknown) => reason);
    assert.instance(error, RankDistillmError);
    return (error as RankDistillmError).message.replace(given.folder, '');
  };
  const tooFew = (folder: string) => ({
    ...checkpoint(folder),
    encoder: encoderOf({ vocabSize: 1, maxPositions: 128 }),
  });
  assert.is(await messageOf(tooFew(large)), await messageOf(tooFew(small)));
  assert.is(await messageOf(checkpoint(large, 200)), await messageOf(checkpoint(small, 200)));
  process.off('worker', onWorker);
  assert.is(started.length, 2);
  await Promise.all(started.map(async (worker) => assert.is(await worker.terminate(), undefined)));
});

test('a thread that dies is one clear error', async () => {
  let thread: Worker | undefined;
  process.once('worker', (worker) => (thread = worker));
  const tokenizer = await createPairTokenizer(checkpoint(large));
  await thread!.terminate();
  for (let i = 0; i < 2; i++) {
    const error: unknown = await tokenizer.encodePairs(pairs).catch((reason: unknown) => reason);
    assert.instance(error, RankDistillmError);
    assert.is((error as RankDistillmError).code, 'native');
    assert.match((error as RankDistillmError).hint ?? '', /^Load the model again/);
  }
  await tokenizer.close();
});

test.run();
