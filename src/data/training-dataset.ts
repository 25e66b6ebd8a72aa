import { RankDistillmError } from '../errors.js';
import type { Facts } from '../io/fingerprint.js';
import { RandomStream } from '../random/random-stream.js';
import type { OpenContext } from './open-run.js';
import type { Qrel, RankingSample } from './records.js';

/** What `fit` validates on: a RunDataset, or a TupleDataset. */
export interface ValidationDataset extends AsyncDisposable {
  /** What metrics begin with: the run file's name, or the dataset's id. */
  readonly label: string;
  /** Things a user should know, one sentence each. */
  readonly warnings: readonly string[];
  /** Samples that `samples` gives; topics, or tuples. */
  countTopics(): number;
  /** Documents of all of them, or of the first so many. */
  countPairs(topics?: number): number;
  /** The samples, or the first so many, with targets where there are some. */
  samples(topics?: number): AsyncIterable<RankingSample>;
  /** Undefined without any: then nothing is measured. */
  qrels(): Promise<Qrel[] | undefined>;
  close(): Promise<void>;
}

export interface TrainingContext extends OpenContext {
  /** seed_everything; a whole number of at least 0. Default 42. */
  seed?: number | undefined;
}

/**
 * One document, or equal targets, give ranking losses such as RankNet no pair to order and a gradient of zero.
 *
 * @param what is counted: topics, tuples
 */
export function equalTargetsWarning(what: string, count: number, total: number): string {
  return `${what} with one document or with equal targets, from which ranking losses learn nothing: ${count} of ${total}`;
}

/** The items of an epoch from `from` on: in their order, or shuffled as (seed, epoch) have it. */
export function epochItems<T>(items: readonly T[], seed: number, { epoch, shuffle, from = 0 }: EpochOptions): T[] {
  checkStart(from, items.length);
  const ordered = shuffle ? new RandomStream({ seed, purpose: 'order', epoch }).shuffle(items) : items;
  return ordered.slice(from);
}

/** An epoch that ended before the place where a run is resumed was made of other data. */
export function checkStart(from: number, size: number): void {
  if (Number.isSafeInteger(from) && from >= 0 && from <= size) return;
  throw new RankDistillmError('bad_input', `cannot continue after ${from} samples of an epoch of ${size}`, {
    hint: 'The data are not those that the checkpoint was made with.',
  });
}

/** A topic with the documents drawn from its list and what the model shall learn about them. */
export interface TrainingSample extends RankingSample {
  /** [docIds.length], higher is better. */
  targets: number[];
}

export interface EpochOptions {
  /** 0-based; with the dataset's seed it decides the order and what is drawn. */
  epoch: number;
  shuffle: boolean;
  /** Samples of the epoch to leave out at its start, as if they had been read: how a run is resumed. Default 0. */
  from?: number | undefined;
}

/** What `fit` learns from: a RunDataset for training, or a TupleDataset. */
export interface TrainingDataset extends AsyncDisposable {
  /** Id or file name, for messages and logs. */
  readonly name: string;
  /** Documents of each sample. */
  readonly sampleSize: number;
  /** Things a user should know, one sentence each, with counts: topics left out and why. */
  readonly warnings: readonly string[];
  /**
   * What its samples are made of: fingerprints of files, and options, by name. A run is resumed only with the same. A
   * dataset without it is told apart by its name.
   */
  identify?(): Promise<Facts>;
  /** Samples of an epoch. */
  countSamples(): number;
  /** The samples of an epoch; the same arguments give the same samples, whatever was read before. */
  epoch(options: EpochOptions): AsyncIterable<TrainingSample>;
  close(): Promise<void>;
}
