// Measures a row in its own process, where earlier rows cannot count as its memory and load time; the process runs this
// file with a RowTask as JSON and prints a Measured as JSON.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ComputePrecision, OpSeconds } from '../../binding.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { Trainer } from '../../src/train/trainer.js';
import { engineOptions, peakGpuMiB, statusMiB, watchAnonymous, type Device } from './host.js';
import { dl20Pairs, dl20Topics, endless, pairsOfLength, TRUNCATION, type Topic } from './pairs.js';

export interface RowTask {
  workload: string;
  folder: string;
  device: Device;
  /** As Lightning writes it, or tf32. */
  precision: string;
  seconds: number;
  threads?: number | undefined;
  /** Training only: steps instead of seconds; tokens held at a time. */
  steps?: number | undefined;
  tokenBudget?: number | undefined;
}

/** Work that was done, and how long it took. */
interface Work {
  pairs: number;
  tokens: number;
  /** Of the linear layers that were really executed; of training three times the forward's. */
  linearFlops: number;
  seconds: number;
  /** Of all threads of the process: what a busy machine gives to others does not count. */
  cpuSeconds: number;
  /** The engine thread's; in the rest of `seconds` it waited for tokenization and JavaScript. Training has none. */
  engineSeconds?: number;
  /** Thread seconds; training has none. */
  opSeconds?: OpSeconds;
}

export interface Latency {
  requests: number;
  documents: number;
  p50: number;
  p95: number;
  p99: number;
  /** The median over the time that as many pairs of dl20-bm25 take at full throughput. */
  timesThroughput: number;
}

export interface Measured extends Work {
  computed: ComputePrecision;
  /** Of loading, files in the page cache. */
  loadSeconds: number;
  /** From the call of load to the first score, or to the end of the first step. */
  firstSeconds: number;
  peakRssMiB: number;
  peakAnonymousMiB: number;
  /** None on the CPU. */
  peakGpuMiB: number | undefined;
  latency?: Latency;
}

export const OPS = [
  'linear',
  'activation',
  'attention',
  'norm',
  'embedding',
  'rest',
] as const satisfies (keyof OpSeconds)[];

/** Pairs that compile the kernels and fill caches; on a GPU some windows, so that its memory is taken, too. */
const WARM_UP_PAIRS = { cpu: 8, cuda: 4096 };
/** A probe shorter than this share of the time to come says little. */
const PROBE_SHARE = 0.05;
/** Pairs drawn from the whole run, in another order than by topic: any number of them has the lengths of all. */
const SPREAD = 5400;
/** Has no factor in common with the number of pairs. */
const STRIDE = 1637;
/** Of a latency row's time, for the throughput that it is compared with. */
const THROUGHPUT_SHARE = 1 / 3;
/** The forward, the gradient of the inputs and the gradient of the weights. */
const FLOPS_OF_A_STEP = 3;

const secondsSince = (start: number): number => (performance.now() - start) / 1000;

export async function measureInProcess(task: RowTask): Promise<Measured> {
  const args = ['--import', 'tsx', fileURLToPath(import.meta.url), JSON.stringify(task)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (child.exitCode !== 0) throw new Error(`its process ended with ${child.exitCode ?? child.signalCode}`);
  return JSON.parse(output) as Measured;
}

function add(sum: Work, work: Work): void {
  for (const key of ['pairs', 'tokens', 'linearFlops', 'seconds', 'cpuSeconds'] as const) sum[key] += work[key];
  if (work.engineSeconds !== undefined) sum.engineSeconds = (sum.engineSeconds ?? 0) + work.engineSeconds;
  const [of, more] = [sum.opSeconds, work.opSeconds];
  if (more) sum.opSeconds = of ? opsOf((op) => of[op] + more[op]) : more;
}

export function opsOf(value: (op: keyof OpSeconds) => number): OpSeconds {
  return Object.fromEntries(OPS.map((op) => [op, value(op)])) as Record<keyof OpSeconds, number>;
}

const noWork = (): Work => ({ pairs: 0, tokens: 0, linearFlops: 0, seconds: 0, cpuSeconds: 0 });

function cpuSecondsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

/** Scores a stream from text to scores, and counts. */
async function scorePairs(
  model: Pick<CrossEncoder | TrainableModel, 'scoreWindows'>,
  pairs: Iterable<TextPair>,
): Promise<Work> {
  const work = noWork();
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  for await (const { encoded, result } of model.scoreWindows(pairs)) {
    const tokens = encoded.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    const { linearFlops, opSeconds, seconds: engineSeconds } = result;
    add(work, {
      pairs: encoded.length,
      tokens,
      linearFlops,
      seconds: 0,
      cpuSeconds: 0,
      engineSeconds,
      ...(opSeconds && { opSeconds }),
    });
  }
  work.seconds = secondsSince(start);
  work.cpuSeconds = cpuSecondsSince(cpuStart);
  return work;
}

export function* take<T>(items: Iterator<T, never>, count: number): Generator<T> {
  for (let i = 0; i < count; i++) yield items.next().value;
}

function* takeUntil<T>(items: Iterator<T, never>, end: number): Generator<T> {
  while (performance.now() < end) yield items.next().value;
}

async function source(workload: string): Promise<Iterator<TextPair, never>> {
  if (workload === 'short') return pairsOfLength(32);
  if (workload === 'long') return pairsOfLength(288);
  const pairs = await dl20Pairs(SPREAD);
  return endless(pairs.map((_, i) => pairs[(i * STRIDE) % pairs.length]!));
}

/**
 * Pairs a second of a stream as it comes from a run: on the CPU as many as fit into the time by a probe that doubles until
 * it takes long enough; on a GPU all until the time is over, since those in flight at its end count little.
 */
async function throughput(model: CrossEncoder, workload: string, seconds: number, device: Device): Promise<Work> {
  const pairs = await source(workload);
  await scorePairs(model, take(pairs, WARM_UP_PAIRS[device]));
  if (device === 'cuda') return scorePairs(model, takeUntil(pairs, performance.now() + seconds * 1000));
  let probe: Work;
  let count = WARM_UP_PAIRS[device];
  do {
    probe = await scorePairs(model, take(pairs, count));
    count *= 2;
  } while (probe.seconds < seconds * PROBE_SHARE);
  const fitting = Math.round((probe.pairs / probe.seconds) * seconds);
  return scorePairs(model, take(pairs, Math.max(WARM_UP_PAIRS[device], fitting)));
}

/** One query and its documents; topics in turn, and new texts in each turn. */
function request(topics: readonly Topic[], documents: number, index: number): TextPair[] {
  const depth = topics[0]!.documents.length;
  const first = index * Math.ceil(documents / depth);
  const { query } = topics[first % topics.length]!;
  return Array.from({ length: documents }, (_, i) => {
    const topic = first + Math.floor(i / depth);
    const turn = Math.floor(topic / topics.length);
    const document = topics[topic % topics.length]!.documents[i % depth]!;
    return { query, document: turn === 0 ? document : `${document} ${turn}` };
  });
}

/** Requests one after another, as a search engine that waits for each: text to scores. */
async function latency(
  model: CrossEncoder,
  documents: number,
  seconds: number,
  device: Device,
): Promise<Work & { latency: Latency }> {
  const topics = await dl20Topics();
  const full = await throughput(model, 'dl20-bm25', seconds * THROUGHPUT_SHARE, device);
  const all = noWork();
  const times: number[] = [];
  for (let i = 0; all.seconds < seconds; i++) {
    const work = await scorePairs(model, request(topics, documents, i));
    times.push(work.seconds);
    add(all, work);
  }
  times.sort((a, b) => a - b);
  const nearest = (percent: number): number => times[Math.max(0, Math.ceil((percent / 100) * times.length) - 1)]!;
  const [p50, p95, p99] = [nearest(50), nearest(95), nearest(99)];
  const timesThroughput = p50 / (documents / (full.pairs / full.seconds));
  return { ...all, latency: { requests: times.length, documents, p50, p95, p99, timesThroughput } };
}

const loadOptions = ({ device, precision, threads }: RowTask) => ({
  ...engineOptions(device, precision),
  threads,
  config: TRUNCATION,
  onWarning: () => undefined,
});

/** Speed does not depend on the weights. */
const scoringOptions = (task: RowTask) => ({ ...loadOptions(task), freshHead: true });

const peaks = (device: Device, memory: { stop(): number }) => ({
  peakRssMiB: statusMiB('VmHWM'),
  peakAnonymousMiB: memory.stop(),
  peakGpuMiB: peakGpuMiB(device),
});

async function measureScoring(task: RowTask, documents: number | undefined): Promise<Measured> {
  const { folder, device, workload, seconds } = task;
  const memory = watchAnonymous();
  const start = performance.now();
  await using model = await CrossEncoder.load(folder, scoringOptions(task));
  const loadSeconds = secondsSince(start);
  await model.score([{ query: 'what is a run', document: 'a run is a list of documents' }]);
  const firstSeconds = secondsSince(start);
  const work: Work & { latency?: Latency } =
    documents === undefined
      ? await throughput(model, workload, seconds, device)
      : await latency(model, documents, seconds, device);
  const measured = { computed: model.precision, ...work, loadSeconds, firstSeconds, ...peaks(device, memory) };
  if (device === 'cpu' || documents !== undefined) return measured;
  // Time by kind of operation, of another model: events between the kernels would cost some of the row's speed.
  await using timed = await CrossEncoder.load(folder, { ...scoringOptions(task), timed: true });
  const { opSeconds } = await throughput(timed, workload, 1, device);
  return { ...measured, ...(opSeconds && { opSeconds }) };
}

/** A batch of topics, with targets by rank. */
export async function trainingSamples(queries: number, docs: number) {
  const pairs = await dl20Pairs(queries * docs);
  return Array.from({ length: queries }, (_, q) => {
    const own = pairs.slice(q * docs, (q + 1) * docs);
    return {
      queryId: String(q),
      query: own[0]!.query,
      docIds: own.map((_, i) => String(i)),
      docs: own.map(({ document }) => document),
      targets: own.map((_, i) => docs - i),
    };
  });
}

/** Steps with RankNet, AdamW and the dropout of the model's configuration, on one batch again and again. */
export async function measureTraining(task: RowTask, queries: number, docs: number): Promise<Measured> {
  const memory = watchAnonymous();
  const samples = await trainingSamples(queries, docs);
  const start = performance.now();
  await using model = await TrainableModel.load(task.folder, loadOptions(task));
  const loadSeconds = secondsSince(start);
  const trainer = new Trainer(model, {
    losses: [createLoss('RankNet')],
    optimizer: { lr: 1e-5 },
    tokenBudget: task.tokenBudget,
  });
  const step = async (): Promise<number> => {
    const { tokens } = await trainer.backward(await trainer.encode(samples));
    await trainer.update();
    return tokens;
  };
  await step(); // fills caches, touches all memory
  const firstSeconds = secondsSince(start);
  const pairs = samples.flatMap(({ query, docs: texts }) => texts.map((document) => ({ query, document })));
  const forward = await scorePairs(model, pairs);
  let tokens = 0;
  let steps = 0;
  const timed = performance.now();
  const cpuStart = process.cpuUsage();
  do {
    tokens += await step();
    steps += 1;
  } while (task.steps === undefined ? secondsSince(timed) < task.seconds : steps < task.steps);
  return {
    computed: model.native.precision,
    pairs: queries * docs * steps,
    tokens,
    linearFlops: FLOPS_OF_A_STEP * forward.linearFlops * steps,
    seconds: secondsSince(timed),
    cpuSeconds: cpuSecondsSince(cpuStart),
    loadSeconds,
    firstSeconds,
    ...peaks(task.device, memory),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const task = JSON.parse(process.argv[2]!) as RowTask;
  const [, kind, first, docs] = /^(train|query)-(\d+)(?:x(\d+))?$/.exec(task.workload) ?? [];
  const size = first === undefined ? undefined : Number(first);
  const measured = kind === 'train' ? measureTraining(task, size!, Number(docs)) : measureScoring(task, size);
  console.log(JSON.stringify(await measured));
}
