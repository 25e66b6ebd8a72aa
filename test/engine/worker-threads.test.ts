import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { referenceModel } from '../support/engine.js';

const test = suite('worker threads that share the engine');
const binary =
  process.env['RANK_DISTILLM_BINDING'] ??
  fileURLToPath(new URL('../../build/Release/rank_distillm.node', import.meta.url));

/** `first` ends when `second` begins to load the addon, which stays until `first` has ended. */
const SOURCE = `
const { binary, role, jitter, flags } = require('node:worker_threads').workerData;
const set = (flag) => { Atomics.store(flags, flag, 1); Atomics.notify(flags, flag); };
const until = (flag) => { while (Atomics.load(flags, flag) === 0); };
const [FIRST_IS_THERE, SECOND_BEGINS, FIRST_IS_GONE] = [0, 1, 2];
if (role === 'first') {
  require(binary);
  set(FIRST_IS_THERE);
  until(SECOND_BEGINS);
  for (const end = process.hrtime.bigint() + BigInt(jitter); process.hrtime.bigint() < end; );
  process.exit(0);
}
until(FIRST_IS_THERE);
set(SECOND_BEGINS);
require(binary);
if (Atomics.wait(flags, FIRST_IS_GONE, 0, 20_000) === 'timed-out') process.exitCode = 1;
`;

test('the last one ends while the next loads the addon', async () => {
  for (let round = 0; round < 60; ++round) {
    const flags = new Int32Array(new SharedArrayBuffer(12));
    const jitter = (round % 20) * 6_000; // nanoseconds: loading takes some 100,000
    const start = (role: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const worker = new Worker(SOURCE, { eval: true, workerData: { binary, role, jitter, flags } });
        worker.on('error', reject).on('exit', resolve);
      });
    const first = start('first').then((code) => {
      Atomics.store(flags, 2, 1);
      Atomics.notify(flags, 2);
      return code;
    });
    assert.equal(await Promise.all([first, start('second')]), [0, 0], `round ${round}`);
  }
});

const STARTING = `
const { binary, flag } = require('node:worker_threads').workerData;
Atomics.store(flag, 0, 1);
require(binary);
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
`;

test('one that ends while it loads the addon leaves nothing to call', async () => {
  for (let round = 0; round < 60; ++round) {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const thread = new Worker(STARTING, { eval: true, workerData: { binary, flag } });
    while (Atomics.load(flag, 0) === 0);
    const jitter = BigInt((round % 30) * 30_000); // nanoseconds
    for (const end = process.hrtime.bigint() + jitter; process.hrtime.bigint() < end;);
    assert.is(await thread.terminate(), 1, `round ${round}`);
  }
});

/** Is ended while the engine loads one of its models. */
const LOADING = `
const { parentPort, workerData } = require('node:worker_threads');
const { createModel } = require(workerData.binary);
for (let i = 0; i < 6; i++) createModel(workerData.options, workerData.tensors);
parentPort.postMessage('loading');
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
`;
const MODEL_MIB = 32;
const MOST_GROWTH_MIB = 3 * MODEL_MIB;

test('one that ends while it loads leaves no weights behind', async () => {
  const { checkpoint } = await referenceModel('mono-rank');
  const { head } = checkpoint;
  const vocabSize = (MODEL_MIB * 2 ** 20) / 4 / checkpoint.encoder.embeddingSize;
  const tensors = checkpoint.tensors.map((tensor) =>
    tensor.name === 'embeddings.word_embeddings.weight'
      ? {
          ...tensor,
          dtype: 'float32',
          shape: [vocabSize, checkpoint.encoder.embeddingSize],
          data: new Uint8Array(MODEL_MIB * 2 ** 20),
        }
      : tensor,
  );
  const options = { encoder: { ...checkpoint.encoder, vocabSize }, head, precision: 'float32', threads: 1 };
  const end = async (): Promise<void> => {
    const thread = new Worker(LOADING, { eval: true, workerData: { binary, options, tensors } });
    await once(thread, 'message');
    await thread.terminate();
  };
  await end();
  const before = process.memoryUsage.rss();
  for (let round = 0; round < 8; ++round) await end();
  const growth = (process.memoryUsage.rss() - before) / 2 ** 20;
  assert.ok(growth < MOST_GROWTH_MIB, `${growth} MiB`);
});

test.run();
