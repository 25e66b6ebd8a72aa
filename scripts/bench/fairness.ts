import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { numberOf, runScript } from '../lib/command.js';
import { randomModel } from './models.js';
import { dl20Pairs, renamed } from './pairs.js';

const USAGE = `usage: npm run bench -- fairness [--pairs 400] [--every 0.25] [--precision 32-true] [--model FOLDER]

How requests share the engine: the time of a request of one pair, on an idle engine and every 0.25 seconds beside a job of
400 pairs, of the same model and of another one in the process; the large job's speed alone and beside such requests; and
how long a job takes to end after its abort. ELECTRA-base by default.`;

const IDLE_REQUESTS = 10;
const ABORTS = 5;
const PAIRS_PER_ABORT = 100;

const wait = (seconds: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, seconds * 1000));

async function secondsOf(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work;
  return (performance.now() - start) / 1000;
}

/** `p50 12 ms, p99 40 ms, most 41 ms of 80`. */
function inWords(seconds: readonly number[]): string {
  const sorted = seconds.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    `${(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]! * 1000).toFixed(0)} ms`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)} of ${sorted.length}`;
}

/** The times of requests while `job` runs. */
async function requestsBeside(job: Promise<unknown>, request: () => Promise<unknown>, every: number) {
  const times: number[] = [];
  let isDone = false;
  const seconds = secondsOf(job).finally(() => (isDone = true));
  await wait(every);
  while (!isDone) {
    times.push(await secondsOf(request()));
    await wait(every);
  }
  return { times, seconds: await seconds };
}

async function main(count: number, every: number, precision: string, folder: string): Promise<void> {
  const load = () => CrossEncoder.load(folder, { precision, freshHead: true, onWarning: () => undefined });
  await using model = await load();
  await using other = await load();
  const pairs = await dl20Pairs(count);
  let pass = 0;
  const fresh = (of: readonly TextPair[]): TextPair[] => [...renamed(of, ++pass)];
  const requestOf = (to: CrossEncoder) => () => to.score(fresh([pairs[pass % pairs.length]!]));

  for (const to of [model, other]) await requestOf(to)();
  const idle: number[] = [];
  for (let i = 0; i < IDLE_REQUESTS; i++) idle.push(await secondsOf(requestOf(model)()));
  console.log(`${model.precision}, ${model.engine.threads} threads, a job of ${pairs.length} pairs`);
  console.log(`a pair on an idle engine: ${inWords(idle)}`);

  const alone = await secondsOf(model.score(fresh(pairs)));
  console.log(`the job alone: ${(pairs.length / alone).toFixed(2)} pairs/s`);
  for (const [name, to] of Object.entries({ 'the same model': model, 'another model': other })) {
    const { times, seconds } = await requestsBeside(model.score(fresh(pairs)), requestOf(to), every);
    const all = ((pairs.length + times.length) / seconds).toFixed(2);
    console.log(`a pair beside it, ${name}: ${inWords(times)}`);
    console.log(`the job beside them: ${(pairs.length / seconds).toFixed(2)} pairs/s, ${all} with theirs`);
  }

  const aborts: number[] = [];
  for (let i = 0; i < ABORTS; i++) {
    const controller = new AbortController();
    const job = model
      .score(fresh(pairs.slice(0, PAIRS_PER_ABORT)), { signal: controller.signal })
      .catch(() => undefined);
    await wait(1);
    controller.abort();
    aborts.push(await secondsOf(job));
  }
  console.log(`from an abort to its error: ${inWords(aborts)}`);
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { pairs: option, every: option, precision: option, model: option },
    async (values) =>
      main(
        numberOf('pairs', values.pairs, 'a whole number above 0') ?? 400,
        numberOf('every', values.every) ?? 0.25,
        values.precision ?? '32-true',
        values.model ?? (await randomModel('electra-base')),
      ),
    args,
  );
