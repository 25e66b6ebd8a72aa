import { dirname, extname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { RandomStream } from '../../../src/random/random-stream.js';
import { root } from '../../lib/root.mjs';
import { Broken, type Kind } from '../kind.js';
import { pick } from '../mutate.js';

const MODEL = join(root, 'test/golden/references/mono-rank');
const MOST_CALLS = 8;
const MOST_PAIRS = 2000;
const MOST_MS = 60;
const pairs = Array.from({ length: MOST_PAIRS }, (_, i) => ({ query: `what is ${i % 7}`, document: `the fox ${i}` }));

export const kind: Kind = {
  name: 'storms of calls, aborts, closes and ended workers',
  gives: ['worked'],
  tries: { full: 1000, short: 30 },
  seconds: 60,
  async open({ api, command }) {
    const main = command.at(-1)!;
    const index = join(dirname(main), `../index${extname(main)}`);
    const load = () => api.CrossEncoder.load(MODEL, { queueLimit: 6 });
    const expected = await (await load()).score(pairs);

    return async (random) => {
      const models = await Promise.all([load(), load()]);
      const work: Promise<void>[] = [];
      for (let i = 1 + random.below(MOST_CALLS); i > 0; i--) work.push(call(random, pick(random, models)));
      if (random.below(2) === 0) work.push(worker(random));
      if (random.below(2) === 0) work.push(wait(random.below(MOST_MS)).then(() => pick(random, models).close()));
      await Promise.all(work);
      await Promise.all(models.map((model) => model.close()));
    };

    /** One call with an abort, or without. A result is right to the bit, whatever ran beside it. */
    async function call(random: RandomStream, model: Awaited<ReturnType<typeof load>>): Promise<void> {
      const first = random.below(MOST_PAIRS);
      const own = pairs.slice(first, first + 1 + random.below(random.below(2) === 0 ? 3 : MOST_PAIRS));
      const controller = new AbortController();
      const timer = random.below(2) === 0 ? setTimeout(() => controller.abort(), random.below(MOST_MS)) : undefined;
      await wait(random.below(MOST_MS));
      try {
        const scores = await model.score(own, { signal: controller.signal });
        const wrong = scores.findIndex((score, i) => score !== expected[first + i]);
        if (wrong >= 0) throw new Broken(`pair ${first + wrong}: ${scores[wrong]} is not ${expected[first + wrong]}`);
      } catch (error) {
        const { code } = error as { code?: string };
        if (error instanceof Broken || !['aborted', 'closed', 'busy'].includes(code ?? '')) throw error;
      } finally {
        clearTimeout(timer);
      }
    }

    /** A worker thread that is ended while it loads or scores. */
    async function worker(random: RandomStream): Promise<void> {
      const source = `import(${JSON.stringify(index)}).then(async ({ CrossEncoder }) => {
        const model = await CrossEncoder.load(${JSON.stringify(MODEL)});
        for (;;) await model.score(Array.from({ length: 500 }, (_, i) => ({ query: 'a', document: 'b ' + i })));
      })`;
      const thread = new Worker(source, { eval: true, execArgv: command.slice(1, -1) });
      thread.on('error', () => undefined);
      await wait(random.below(20 * MOST_MS));
      await thread.terminate();
    }
  },
};
