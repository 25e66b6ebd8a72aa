import type { RankingSample } from './records.js';

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
  /** Samples of an epoch. */
  countSamples(): number;
  /** The samples of an epoch; the same arguments give the same samples, whatever was read before. */
  epoch(options: EpochOptions): AsyncIterable<TrainingSample>;
  close(): Promise<void>;
}
