import { isIn, type Share, type TrainingDataset, type TrainingSample, WHOLE } from '../data/training-dataset.js';
import { runAhead } from '../io/ahead.js';
import type { EncodedBatch, Trainer } from './trainer.js';

/** Batches tokenized ahead of the engine. */
const BATCHES_AHEAD = 2;

export interface BatchesOptions {
  dataset: TrainingDataset;
  trainer: Trainer;
  /** Samples of a batch, on all ranks. */
  batchSize: number;
  shuffle: boolean;
  /** 0-based. */
  epoch: number;
  /** Batches to skip at the start of the epoch. */
  from: number;
  /** Samples to skip at the start of the first batch. */
  skip?: number | undefined;
  /** The samples of this rank. */
  share?: Share | undefined;
  /** Total batches of the epoch, including skipped ones. */
  until: number;
  signal?: AbortSignal | undefined;
}

/** The batches of an epoch, tokenized ahead of the engine. The last one may be smaller. */
export function trainingBatches(options: BatchesOptions): AsyncGenerator<EncodedBatch, void, undefined> {
  return runAhead(encodedBatches(options), BATCHES_AHEAD);
}

async function* encodedBatches(options: BatchesOptions): AsyncGenerator<EncodedBatch, void, undefined> {
  const { dataset, trainer, batchSize, from, skip = 0, until, share = WHOLE, signal } = options;
  if (from >= until) return;
  const first = from * batchSize + skip;
  const samples = samplesFrom(options, first, share);
  const total = dataset.countSamples();
  try {
    for (let number = from; number < until; number++) {
      const start = number === from ? first : number * batchSize;
      const size = Math.min((number + 1) * batchSize, total) - start;
      const positions = [...Array(size).keys()].filter((position) => isIn(share, start + position));
      const own: TrainingSample[] = [];
      while (own.length < positions.length) {
        const next = await samples.next();
        if (next.done) break; // the caller misses the batches
        own.push(next.value);
      }
      if (own.length < positions.length && (share.of > 1 || own.length === 0)) return;
      const batch = await trainer.encode(own, signal);
      yield share.of === 1 ? batch : { ...batch, whole: { size, positions } };
    }
  } finally {
    await samples.return?.();
  }
}

/** The samples of a share, from a position of the epoch on. */
function samplesFrom(
  { dataset, shuffle, epoch }: BatchesOptions,
  from: number,
  share: Share,
): AsyncIterator<TrainingSample> {
  const options = { epoch, shuffle, from };
  if (share.of === 1) return dataset.epoch(options)[Symbol.asyncIterator]();
  if (dataset.epochShare) return dataset.epochShare(options, share)[Symbol.asyncIterator]();
  return filtered(dataset.epoch(options), from, share);
}

async function* filtered(
  samples: AsyncIterable<TrainingSample>,
  from: number,
  share: Share,
): AsyncGenerator<TrainingSample> {
  let position = from;
  for await (const sample of samples) if (isIn(share, position++)) yield sample;
}
