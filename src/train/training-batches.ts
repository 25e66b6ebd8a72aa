import type { TrainingDataset, TrainingSample } from '../data/training-dataset.js';
import { runAhead } from '../io/ahead.js';
import type { EncodedBatch, Trainer } from './trainer.js';

/** Batches tokenized ahead of the engine. */
const BATCHES_AHEAD = 2;

export interface BatchesOptions {
  dataset: TrainingDataset;
  trainer: Trainer;
  batchSize: number;
  shuffle: boolean;
  /** 0-based. */
  epoch: number;
  /** Batches to skip at the start of the epoch. */
  from: number;
  /** Total batches of the epoch, including skipped ones. */
  until: number;
  signal?: AbortSignal | undefined;
}

/** The batches of an epoch, tokenized ahead of the engine. The last one may be smaller. */
export function trainingBatches(options: BatchesOptions): AsyncGenerator<EncodedBatch, void, undefined> {
  return runAhead(encodedBatches(options), BATCHES_AHEAD);
}

async function* encodedBatches(options: BatchesOptions): AsyncGenerator<EncodedBatch, void, undefined> {
  const { dataset, trainer, batchSize, shuffle, epoch, from, until, signal } = options;
  if (from >= until) return;
  let batch: TrainingSample[] = [];
  let number = from;
  for await (const sample of dataset.epoch({ epoch, shuffle, from: from * batchSize })) {
    batch.push(sample);
    if (batch.length < batchSize) continue;
    yield await trainer.encode(batch, signal);
    batch = [];
    number += 1;
    if (number === until) return;
  }
  if (batch.length > 0) yield await trainer.encode(batch, signal);
}
