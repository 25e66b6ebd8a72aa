// `npm run soak`: one process that scores, loads, closes, aborts, trains and ends worker threads for minutes, and must
// not grow. Needs the flags of Node.js that `npm run soak` gives: --expose-gc, and --max-semi-space-size=2, without which V8
// holds and frees 30 MiB of empty space for new objects as it likes.
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { CrossEncoder, TextPair, TrainableModel } from '../../src/index.js';
import { RandomStream } from '../../src/random/random-stream.js';
import { formatTable } from '../../src/report/table.js';
import { numberOf, runScript } from '../lib/command.js';
import { root } from '../lib/root.mjs';
import { Broken } from './kind.js';
import { findings, judge, lookAtSelf, tellLook, type Look } from './looks.js';
import { pick } from './mutate.js';
import { openTarget, type Target } from './package.js';

/** Actions at a time. */
const LANES = 4;
/** Looks at the process, with nothing under way, three a minute. The first third is for what has to settle. */
const LOOKS_PER_SECOND = 3 / 60;
const LEAST_LOOKS = 10;
const MOST_PAIRS = 400;
const MOST_MS = 60;
/** Of the engine, whenever the process is looked at. Actions ask for others. */
const THREADS = 2;
const MODELS = ['mono-rank', 'electra-classification', 'mono-bert', 'zip-bin', 'bert-classification'];

const USAGE = `usage: npm run soak -- [--minutes 15] [--growth 2] [--seed S] [--package FOLDER]

Scores, ranks, streams, loads, closes, aborts, trains and ends worker threads at random, ${LANES} at a time in one process, with
${MODELS.length} models. Fails where a score or a loss is not what it is alone, to the bit; where an error is none that the action can
give; where file descriptors or threads have changed; and where anonymous memory has grown or shrunk by more than --growth percent.

Memory is Anonymous of /proc/self/smaps_rollup after a garbage collection with nothing under way, three times a minute: the
median of the second third of the run against that of the last. --growth 0 does not judge it.
--package soaks an installed package instead of the checkout's dist/.`;

type Model = CrossEncoder;
type Action = (random: RandomStream) => Promise<void>;

interface SoakLook extends Look {
  weightBytes: number;
}

const pairs: TextPair[] = Array.from({ length: 2 * MOST_PAIRS }, (_, i) => ({
  query: `what is ${i % 7}`,
  document: `the fox ${'jumps over the lazy dog '.repeat(i % 13)}${i}`,
}));

const BATCH = Array.from({ length: 3 }, (_, query) => ({
  queryId: `q${query}`,
  query: pairs[query]!.query,
  docIds: ['a', 'b', 'c', 'd'],
  docs: pairs.slice(4 * query, 4 * query + 4).map(({ document }) => document),
  targets: [3, 2, 1, 0],
}));

class Soak {
  readonly counts = new Map<string, number>();
  readonly #target: Target;
  readonly #models = new Map<string, Model>();
  readonly #scores = new Map<string, Float32Array>();
  readonly #losses = new Map<string, number[]>();
  /** Models of threads that are ended. */
  readonly #copies = mkdtempSync(join(tmpdir(), 'rank-distillm-soak-'));

  constructor(target: Target) {
    this.#target = target;
  }

  /** What each model gives while nothing else runs. */
  async open(): Promise<void> {
    for (const name of MODELS) {
      const model = await this.#load(name, THREADS);
      this.#models.set(name, model);
      this.#scores.set(name, await model.score(pairs));
      this.#losses.set(name, await this.#steps(name, 3));
      cpSync(folderOf(name), join(this.#copies, name), { recursive: true, dereference: true });
    }
  }

  async close(): Promise<void> {
    for (const model of this.#models.values()) await model.close();
    rmSync(this.#copies, { recursive: true });
  }

  /** Actions in `LANES` lanes for a time. */
  async run(seconds: number, seed: number, epoch: number): Promise<void> {
    const end = performance.now() + seconds * 1000;
    const lane = async (_: unknown, number: number): Promise<void> => {
      for (let i = 0; performance.now() < end; i++) {
        const random = new RandomStream({ seed, purpose: 'soak', epoch, item: `${number} ${i}` });
        const [name, action] = pick(random, this.#actions);
        await action(random);
        this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }

  async look(): Promise<SoakLook> {
    // the engine's threads are as many as the last model asked for
    const model = await this.#load(MODELS[0]!, THREADS);
    await model.score(pairs.slice(0, 1));
    await model.close();
    const found = await lookAtSelf((file) => file.startsWith(this.#copies));
    return { ...found, weightBytes: this.#models.get(MODELS[0]!)!.engine.weightBytes };
  }

  readonly #actions: readonly [string, Action][] = [
    ...Array.from({ length: 6 }, (): [string, Action] => ['score', (random) => this.#score(random)]),
    ['score, aborted', (random) => this.#score(random, abortSoon(random))],
    ['score, aborted', (random) => this.#score(random, abortSoon(random))],
    ['rank', (random) => this.#rank(random)],
    ['stream, left early', (random) => this.#stream(random)],
    ['load, score, close', (random) => this.#loadOnce(random)],
    ['load, score, close', (random) => this.#loadOnce(random)],
    ['load, aborted', (random) => this.#loadOnce(random, abortSoon(random))],
    ['close under a call', (random) => this.#closeUnderCall(random)],
    ['training steps', (random) => this.#train(random)],
    ['worker thread ended', (random) => this.#endWorker(random)],
  ];

  #load(name: string, threads: number, more: { signal?: AbortSignal; tokenizerThreads?: number } = {}): Promise<Model> {
    return this.#target.api.CrossEncoder.load(folderOf(name), { threads, ...more, onWarning: () => undefined });
  }

  async #score(random: RandomStream, signal?: AbortSignal): Promise<void> {
    const [name, model] = pick(random, [...this.#models]);
    await this.#check(name, model, random, signal);
  }

  /** Scores some pairs; undefined `signal`: nothing may stop it. */
  async #check(name: string, model: Model, random: RandomStream, signal?: AbortSignal): Promise<void> {
    const first = random.below(MOST_PAIRS);
    const own = pairs.slice(first, first + 1 + random.below(random.below(2) === 0 ? 3 : MOST_PAIRS));
    const scores = await unless(['aborted'], signal, model.score(own, signal === undefined ? {} : { signal }));
    scores?.forEach((score, i) => this.#compare(name, first + i, score));
  }

  #compare(name: string, index: number, score: number): void {
    const expected = this.#scores.get(name)![index];
    if (score !== expected) throw new Broken(`${name}: pair ${index} is ${score}, alone it is ${expected}`);
  }

  async #rank(random: RandomStream): Promise<void> {
    const [name, model] = pick(random, [...this.#models]);
    const of = pairs.flatMap(({ query }, i) => (query === pairs[0]!.query ? [i] : []));
    const documents = of.map((i) => pairs[i]!.document);
    for (const { index, score } of await model.rank(pairs[0]!.query, documents)) this.#compare(name, of[index]!, score);
  }

  async #stream(random: RandomStream): Promise<void> {
    const [name, model] = pick(random, [...this.#models]);
    const last = random.below(MOST_PAIRS);
    let index = 0;
    for await (const { score } of model.scoreStream(pairs)) {
      this.#compare(name, index, score);
      if (index++ === last) break;
    }
  }

  async #loadOnce(random: RandomStream, signal?: AbortSignal): Promise<void> {
    const name = pick(random, MODELS);
    const tokenizerThreads = random.below(8) === 0 ? 1 : 0;
    const options = { tokenizerThreads, ...(signal === undefined ? {} : { signal }) };
    const model = await unless(['aborted'], signal, this.#load(name, 1 + random.below(3), options));
    if (model === undefined) return;
    await this.#check(name, model, random);
    await model.close();
  }

  async #closeUnderCall(random: RandomStream): Promise<void> {
    const name = pick(random, MODELS);
    const model = await this.#load(name, THREADS);
    const call = this.#check(name, model, random);
    await wait(random.below(MOST_MS));
    await Promise.all([call, model.close()]);
  }

  async #train(random: RandomStream): Promise<void> {
    const name = pick(random, MODELS);
    const losses = await this.#steps(name, 1 + random.below(3));
    const expected = this.#losses.get(name)!;
    const wrong = losses.findIndex((loss, i) => loss !== expected[i]);
    if (wrong >= 0) throw new Broken(`${name}: loss ${wrong} is ${losses[wrong]}, alone it is ${expected[wrong]}`);
  }

  /** The losses of a fresh model's first steps. */
  async #steps(name: string, count: number): Promise<number[]> {
    const { api } = this.#target;
    const model: TrainableModel = await api.TrainableModel.load(folderOf(name), { onWarning: () => undefined });
    const trainer = new api.Trainer(model, { losses: [api.createLoss('RankNet')], optimizer: { lr: 1e-3 } });
    const losses: number[] = [];
    for (let i = 0; i < count; i++) {
      losses.push((await trainer.backward(await trainer.encode(BATCH))).loss);
      await trainer.update();
    }
    await model.close();
    return losses;
  }

  /**
   * A thread that loads and scores, ended at any moment after it has our modules: Node.js 20 aborts the process where a
   * thread ends within `require` of a module, and loses the descriptor of a file that the thread is opening, by `import` or
   * by fs.promises (a thread that does nothing but `readFile` loses 139 in 200 ends). So it has model files of its own,
   * whose descriptors are counted apart.
   */
  async #endWorker(random: RandomStream): Promise<void> {
    const folder = join(this.#copies, pick(random, MODELS));
    const source = `(async ({ CrossEncoder }) => {
      require('node:worker_threads').parentPort.postMessage('has our modules');
      const model = await CrossEncoder.load(${JSON.stringify(folder)}, { threads: ${THREADS}, onWarning: () => undefined });
      for (;;) await model.score(Array.from({ length: 500 }, (_, i) => ({ query: 'a', document: 'b ' + i })));
    })(require(${JSON.stringify(this.#target.entry)}))`;
    const thread = new Worker(source, { eval: true });
    let failure: unknown;
    thread.on('error', (error) => (failure = error));
    await once(thread, 'message');
    await wait(random.below(10 * MOST_MS));
    await thread.terminate();
    if (failure !== undefined) throw failure as Error;
  }
}

const folderOf = (name: string): string => join(root, 'test/golden/references', name);

function abortSoon(random: RandomStream): AbortSignal {
  return AbortSignal.timeout(random.below(MOST_MS));
}

/** What the promise gives; undefined where the signal stopped it. */
async function unless<T>(
  codes: readonly string[],
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (signal?.aborted === true && codes.includes((error as { code?: string }).code ?? '')) return undefined;
    throw error;
  }
}

const option = { type: 'string' } as const;

await runScript(USAGE, { minutes: option, growth: option, seed: option, package: option }, async (values) => {
  const seconds = 60 * (numberOf('minutes', values.minutes) ?? 15);
  const growth = numberOf('growth', values.growth, 'a number of at least 0') ?? 2;
  const seed = numberOf('seed', values.seed, 'a number of at least 0') ?? 1;
  const soak = new Soak(await openTarget(values.package ?? root));
  await soak.open();
  const looks: SoakLook[] = [];
  const count = Math.max(LEAST_LOOKS, Math.round(seconds * LOOKS_PER_SECOND));
  for (let i = 0; i < count; i++) {
    await soak.run(seconds / count, seed, i);
    const look = await soak.look();
    looks.push(look);
    tellLook(look, i + 1, count, `${look.weightBytes} bytes of weights`);
  }
  await soak.close();
  console.log(formatTable([{ head: 'action' }, { head: 'times' }], [...soak.counts].sort()));
  judge(findings(looks, growth, ['weightBytes']));
});
