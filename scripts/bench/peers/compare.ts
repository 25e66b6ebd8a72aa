import { join } from 'node:path';
import { CrossEncoder } from '../../../src/engine/cross-encoder.js';
import { engineOptions, type Device } from '../device.js';
import { headOf, type Head } from './contenders.js';
import type { PeerPair } from './peer-options.js';
import { median, type PeerResult } from './report.js';
import { tuneBatch } from './tune-batch.js';
import type { Worker } from './worker.js';

interface Running {
  worker: Worker;
  batch: number;
  rounds: number[];
  largestDifference: number;
  peakGpuMiB: number | undefined;
}

export interface CompareOptions {
  pairs: readonly PeerPair[];
  rounds: number;
  device: Device;
  /** What make_models.py wrote. */
  models: string;
  say: (text: string) => void;
  /** Hears after each round of what all rounds so far have given. */
  onRound: (results: readonly PeerResult[]) => void;
}

/** Chooses batch sizes, then lets all score the same pairs, one after another, in each round. */
export async function compare(workers: readonly Worker[], options: CompareOptions): Promise<void> {
  const { pairs, rounds, device, models, say, onRound } = options;
  const references = new Map<Head, Float32Array>();
  for (const head of new Set(workers.map(({ contender }) => headOf(contender))))
    references.set(head, await ours(join(models, head), device, pairs));
  const running: Running[] = [];
  for (const worker of workers) {
    const { name, precision, batches } = worker.contender;
    try {
      const batch = await tuneBatch(worker, pairs, device);
      say(`${name} ${precision}: ${batches ? `batches of ${batch}` : 'ready'}`);
      running.push({ worker, batch, rounds: [], largestDifference: 0, peakGpuMiB: undefined });
    } catch (error) {
      process.exitCode = 1;
      say(`${name} ${precision} left out: ${(error as Error).message}`);
    }
  }
  for (let round = 1; round <= rounds; round++) {
    for (const each of running) {
      const { name, precision } = each.worker.contender;
      const reference = references.get(headOf(each.worker.contender))!;
      const { seconds, scores, peakGpuMiB } = await each.worker.score({ count: pairs.length, batch: each.batch });
      each.rounds.push(pairs.length / seconds);
      each.largestDifference = Math.max(each.largestDifference, difference(scores, reference));
      each.peakGpuMiB = peakGpuMiB;
      say(`round ${round}: ${name} ${precision}: ${(pairs.length / seconds).toFixed(2)} pairs/s`);
    }
    onRound(running.map(resultOf));
  }
}

function resultOf({ worker, batch, rounds, largestDifference, peakGpuMiB }: Running): PeerResult {
  return {
    name: worker.contender.name,
    version: worker.version,
    precision: worker.contender.precision,
    batch: worker.contender.batches && batch,
    rounds,
    pairsPerSecond: median(rounds),
    largestDifference,
    peakMiB: worker.peakMiB,
    peakGpuMiB,
  };
}

/** What all are compared with: ours in float32, with their head. */
async function ours(folder: string, device: Device, pairs: readonly PeerPair[]): Promise<Float32Array> {
  await using model = await CrossEncoder.load(folder, engineOptions(device, '32-true'));
  return model.score(pairs);
}

/** Largest difference of a score, in standard deviations of all scores. */
function difference(scores: readonly number[], expected: Float32Array): number {
  if (scores.length !== expected.length) throw new Error(`${scores.length} scores for ${expected.length} pairs`);
  const largest = scores.reduce((most, score, i) => Math.max(most, Math.abs(score - expected[i]!)), 0);
  return largest / deviation(expected);
}

function deviation(scores: Float32Array): number {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  return Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
}
