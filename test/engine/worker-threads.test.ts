import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

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

test.run();
