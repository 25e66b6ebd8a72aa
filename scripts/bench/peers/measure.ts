import { join } from 'node:path';
import { CrossEncoder } from '../../../src/engine/cross-encoder.js';
import { engineOptions, median, say, type Device } from '../host.js';
import { headOf, OURS, type Head, type PeerPrecision } from './contenders.js';
import type { PeerPair, Worker } from './worker.js';

/** Pairs to try a batch size on: at least two batches of a small one, one of a large one, or some tenths of a second. */
const FEWEST_PAIRS: Readonly<Record<Device, number>> = { cpu: 16, cuda: 4096 };
/** A larger batch is not tried after one that is slower than the best by this. */
const WORSE = 0.9;

export interface PeerResult {
  name: string;
  version: string;
  precision: string;
  /** Undefined: chosen by the library. */
  batch: number | undefined;
  /** Pairs a second of each round. */
  rounds: number[];
  pairsPerSecond: number;
  /** Largest difference of a score from ours in float32, in standard deviations of all scores. */
  largestDifference: number;
  peakMiB: number;
  peakGpuMiB: number | undefined;
}

export interface MeasureOptions {
  pairs: readonly PeerPair[];
  rounds: number;
  device: Device;
  /** What make_models.py wrote. */
  models: string;
  /** Called after each round with the results of all rounds so far. */
  onRound: (results: readonly PeerResult[]) => void;
}

/** How many times as fast ours is in the same precision: the median over rounds, in which noise falls on both alike. */
export function ratioOf(result: PeerResult, results: readonly PeerResult[]): number | undefined {
  const ours = results.find(({ name, precision }) => name === OURS && precision === result.precision);
  return ours && median(result.rounds.map((rate, i) => ours.rounds[i]! / rate));
}

/** What the project aims at against the best peer, by the precision that ours is asked for, and the peers it counts among. */
const GOALS: readonly { precision: PeerPrecision; peers: readonly PeerPrecision[]; goal: number }[] = [
  { precision: 'float32', peers: ['float32'], goal: 1.5 },
  { precision: 'bfloat16', peers: ['float32', 'bfloat16'], goal: 2.5 },
  { precision: 'int8', peers: ['int8'], goal: 2.5 },
];

/** How many times as fast ours is as the best peer: a line for each precision. */
export function goalLines(results: readonly PeerResult[]): string[] {
  return GOALS.flatMap(({ precision, peers, goal }) => {
    const ours = results.find((result) => result.name === OURS && result.precision === precision);
    const [best] = results
      .filter((result) => result.name !== OURS && peers.some((of) => of === result.precision))
      .sort((a, b) => b.pairsPerSecond - a.pairsPerSecond);
    if (ours === undefined || best === undefined) return [];
    const times = median(best.rounds.map((rate, i) => ours.rounds[i]! / rate));
    return [
      `${precision}: ${times.toFixed(2)} times the best peer in ${peers.join(' or ')} (${best.name} ${best.precision}); goal ${goal}`,
    ];
  });
}

/**
 * The batch size with the most tokens a second, tried once each on the first pairs; on a GPU after a warm-up with it. One
 * that does not fit into memory ends the search.
 */
async function tuneBatch(worker: Worker, pairs: readonly PeerPair[], device: Device): Promise<number | undefined> {
  const { batches } = worker.contender;
  await worker.score({ count: Math.min(8, pairs.length), batch: 8 }); // what is built at the first call
  if (batches === undefined) {
    if (device === 'cuda') await worker.score({ count: pairs.length, batch: pairs.length });
    return undefined;
  }
  let best = { batch: batches[0]!, rate: 0 };
  for (const batch of batches) {
    const count = Math.min(pairs.length, Math.max(FEWEST_PAIRS[device], batch));
    if (batch > count) break;
    try {
      if (device === 'cuda') await worker.score({ count, batch }); // compiles, takes memory
      const tokens = pairs.slice(0, count).reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      const rate = tokens / (await worker.score({ count, batch })).seconds;
      if (rate < best.rate * WORSE) break;
      if (rate > best.rate) best = { batch, rate };
    } catch (error) {
      if (best.rate === 0) throw error;
      break;
    }
  }
  return best.batch;
}

/** Chooses batch sizes, then lets all score the same pairs, one after another, in each round. */
export async function measure(workers: readonly Worker[], options: MeasureOptions): Promise<void> {
  const { pairs, rounds, device, models, onRound } = options;
  const references = new Map<Head, Float32Array>();
  for (const head of new Set(workers.map(({ contender }) => headOf(contender)))) {
    // what all are compared with: ours in float32, with their head
    await using model = await CrossEncoder.load(join(models, head), engineOptions(device, '32-true'));
    references.set(head, await model.score(pairs));
  }
  const running: { worker: Worker; result: PeerResult }[] = [];
  for (const worker of workers) {
    const { name, precision } = worker.contender;
    try {
      const batch = await tuneBatch(worker, pairs, device);
      say(`${name} ${precision}: ${batch ? `batches of ${batch}` : 'ready'}`);
      const nothing = { rounds: [], pairsPerSecond: 0, largestDifference: 0, peakMiB: 0, peakGpuMiB: undefined };
      running.push({ worker, result: { name, version: worker.version, precision, batch, ...nothing } });
    } catch (error) {
      process.exitCode = 1;
      say(`${name} ${precision} left out: ${(error as Error).message}`);
    }
  }
  for (let round = 1; round <= rounds; round++) {
    for (const { worker, result } of running) {
      const answer = await worker.score({ count: pairs.length, batch: result.batch ?? pairs.length });
      const rate = pairs.length / answer.seconds;
      result.rounds.push(rate);
      result.pairsPerSecond = median(result.rounds);
      const off = difference(answer.scores, references.get(headOf(worker.contender))!);
      result.largestDifference = Math.max(result.largestDifference, off);
      result.peakMiB = worker.peakMiB;
      result.peakGpuMiB = answer.peakGpuMiB;
      say(`round ${round}: ${result.name} ${result.precision}: ${rate.toFixed(2)} pairs/s`);
    }
    onRound(running.map(({ result }) => result));
  }
}

/** Largest difference of a score, in standard deviations of all scores. */
function difference(scores: readonly number[], expected: Float32Array): number {
  if (scores.length !== expected.length) throw new Error(`${scores.length} scores for ${expected.length} pairs`);
  const largest = scores.reduce((most, score, i) => Math.max(most, Math.abs(score - expected[i]!)), 0);
  const mean = expected.reduce((sum, score) => sum + score, 0) / expected.length;
  return largest / Math.sqrt(expected.reduce((sum, score) => sum + (score - mean) ** 2, 0) / expected.length);
}
