import { RankDistillmError } from '../errors.js';
import type { Facts } from '../io/fingerprint.js';
import { RandomStream } from '../random/random-stream.js';
import type { OpenContext } from './open-run.js';
import type { Qrel, RankingSample } from './records.js';

/** The first so many topics, or those at these indices in the order of the topics. */
export type TopicChoice = number | readonly number[];

/** Validation data of `fit`: a RunDataset or a TupleDataset. */
export interface ValidationDataset extends AsyncDisposable {
  /** Prefix of metric names: the run file's name, or the dataset's id. */
  readonly label: string;
  /** Warnings for the user, one sentence each. */
  readonly warnings: readonly string[];
  /** Number of samples: topics or tuples. */
  countTopics(): number;
  /** Number of documents in all samples, or in the first `topics`. */
  countPairs(topics?: number): number;
  /** All samples, or those chosen, with targets if there are any. */
  samples(topics?: TopicChoice): AsyncIterable<RankingSample>;
  /** Undefined without qrels: then no measure is computed. */
  qrels(): Promise<Qrel[] | undefined>;
  close(): Promise<void>;
}

export interface TrainingContext extends OpenContext {
  /** seed_everything; a whole number of at least 0. Default 42. */
  seed?: number | undefined;
}

/**
 * A topic with one document or equal targets has no pair to order, so ranking losses such as RankNet have gradient
 * zero.
 *
 * @param what the counted things: topics, tuples
 */
export function equalTargetsWarning(what: string, count: number, total: number): string {
  return `${what} with one document or equal targets, from which ranking losses learn nothing: ${count} of ${total}`;
}

/** The items of an epoch starting at `from`, in order or shuffled by (seed, epoch). */
export function epochItems<T>(
  items: readonly T[],
  seed: number,
  { epoch, shuffle, from = 0 }: EpochOptions,
  share = WHOLE,
): T[] {
  checkStart(from, items.length);
  const ordered = shuffle ? new RandomStream({ seed, purpose: 'order', epoch }).shuffle(items) : items;
  return ordered.slice(from).filter((_, i) => isIn(share, from + i));
}

/** Every `of`-th of some things, from the one at `index` on: what one rank of several takes. */
export interface Share {
  index: number;
  of: number;
}

export const WHOLE: Share = { index: 0, of: 1 };

/** Whether a share has the thing at a position. */
export function isIn({ index, of }: Share, position: number): boolean {
  return position % of === index;
}

/** Refuses to resume past the end of the epoch: the data must have changed. */
export function checkStart(from: number, size: number): void {
  if (Number.isSafeInteger(from) && from >= 0 && from <= size) return;
  throw new RankDistillmError('bad_input', `cannot continue after ${from} samples of an epoch of ${size}`, {
    hint: 'The data differ from those of the checkpoint.',
  });
}

/** A topic with its sampled documents and their targets. */
export interface TrainingSample extends RankingSample {
  /** [docIds.length], higher is better. */
  targets: number[];
}

export interface EpochOptions {
  /** 0-based; with the dataset's seed it determines the order and the samples. */
  epoch: number;
  shuffle: boolean;
  /** Samples to skip at the start of the epoch, for resuming. Default 0. */
  from?: number | undefined;
}

/** Training data of `fit`: a RunDataset or a TupleDataset. */
export interface TrainingDataset extends AsyncDisposable {
  /** Id or file name, for messages and logs. */
  readonly name: string;
  /** Number of documents of each sample. */
  readonly sampleSize: number;
  /** Warnings, one sentence each, with counts: skipped topics and why. */
  readonly warnings: readonly string[];
  /**
   * Fingerprints of the files and options that determine the samples, by name. Training resumes only if they are equal.
   * Datasets without facts are compared by name.
   */
  identify?(): Promise<Facts>;
  /** Number of samples of an epoch. */
  countSamples(): number;
  /** The samples of an epoch. They depend only on the arguments. */
  epoch(options: EpochOptions): AsyncIterable<TrainingSample>;
  /**
   * Those samples of an epoch whose positions in it are in a share. Without it a rank reads those of the others, too, and
   * drops them.
   */
  epochShare?(options: EpochOptions, share: Share): AsyncIterable<TrainingSample>;
  close(): Promise<void>;
}
