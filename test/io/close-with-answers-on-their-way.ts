/** A program that closes a thread when one answer is on its way and the thread works on the next request. */
import { RankDistillmError } from '../../src/errors.js';
import { RequestThread } from '../../src/io/request-thread.js';

const LONG = 1_000_000;

const thread = new RequestThread<number, number>({
  module: new URL('busy-thread.js', import.meta.url).href,
  name: 'busy',
  workerData: undefined,
  died: (cause) => new RankDistillmError('native', String(cause)),
});
await thread.ready;
const codes = [0, LONG].map((rounds) =>
  thread.request(rounds).then(
    () => 'answered',
    (error: RankDistillmError) => error.code,
  ),
);
// the first answer is sent, and not received, since this thread waits
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
await thread.close(new RankDistillmError('closed', 'enough'));
console.log(...(await Promise.all(codes)), 'the thread has ended');
