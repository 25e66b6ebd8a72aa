import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { numberOf, runScript } from '../lib/command.js';
import { randomModel } from './models.js';
import { dl20Pairs, endless } from './pairs.js';

const BOUND_MS = 20;
const USAGE = `usage: npm run bench -- event-loop [--seconds 60] [--model FOLDER]

Shows that scoring leaves JavaScript alone: the event loop's delay while ELECTRA-base scores, in each precision. Fails where
its 99th percentile is above ${BOUND_MS} ms.`;

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { seconds: option, model: option },
    async (values) => {
      const seconds = numberOf('seconds', values.seconds) ?? 60;
      const folder = values.model ?? (await randomModel('electra-base'));
      const pairs = await dl20Pairs(1000);
      for (const precision of ['32-true', 'bf16-mixed']) {
        await using model = await CrossEncoder.load(folder, { precision, freshHead: true, onWarning: () => undefined });
        const delay = monitorEventLoopDelay({ resolution: 1 });
        const end = performance.now() + seconds * 1000;
        let scored = 0;
        delay.enable();
        for await (const { scores } of model.scoreWindows(endless(pairs))) {
          scored += scores.length;
          if (performance.now() > end) break;
        }
        delay.disable();
        const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) => ns / 1e6);
        const delays = `p50 ${p50!.toFixed(1)} ms, p99 ${p99!.toFixed(1)} ms, largest ${max!.toFixed(1)} ms`;
        console.log(`${model.precision}: ${scored} pairs in ${seconds} s; event loop delay ${delays}`);
        if (p99! > BOUND_MS) {
          console.error(`the 99th percentile is above ${BOUND_MS} ms`);
          process.exitCode = 1;
        }
      }
    },
    args,
  );
