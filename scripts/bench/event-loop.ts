// Shows that scoring leaves JavaScript alone: the event loop's delay while ELECTRA-base scores, in each precision.
// usage: tsx scripts/bench/event-loop.ts [--seconds 60] [--model FOLDER]
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { dl20Pairs, endless } from './pairs.js';
import { randomModel } from './random-model.js';

const BOUND_MS = 20;

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, model: { type: 'string' } },
});
const folder = values.model ?? (await randomModel('electra-base'));
const pairs = await dl20Pairs(1000);
for (const precision of ['32-true', 'bf16-mixed']) {
  const model = await CrossEncoder.load(folder, { precision, onWarning: () => undefined });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const end = performance.now() + Number(values.seconds) * 1000;
  let scored = 0;
  delay.enable();
  for await (const { scores } of model.scoreWindows(endless(pairs))) {
    scored += scores.length;
    if (performance.now() > end) break;
  }
  delay.disable();
  await model.close();
  const ms = (nanoseconds: number): string => (nanoseconds / 1e6).toFixed(1);
  const p99 = delay.percentile(99);
  console.log(
    `${model.precision}: ${scored} pairs in ${values.seconds} s; event loop delay p50 ${ms(delay.percentile(50))} ms, ` +
      `p99 ${ms(p99)} ms, largest ${ms(delay.max)} ms`,
  );
  if (p99 / 1e6 > BOUND_MS) {
    console.error(`the 99th percentile is above ${BOUND_MS} ms`);
    process.exitCode = 1;
  }
}
