import type { MonoOverrides } from '../models/load-checkpoint.js';
import type { CollectionIndexOptions } from '../data/collection/collection-index.js';
import type { DatasetRegistry } from '../data/registry.js';
import type { RunDatasetOptions } from '../data/run-options.js';
import type { TrainingDataset } from '../data/training-dataset.js';
import type { EngineOptions } from '../engine/engine-options.js';
import type { Loss } from '../loss/loss.js';
import type { MetricLogger } from '../report/metric-logger.js';
import type { TrainingSummary } from '../report/training-summary.js';
import type { AdamWOptions } from '../train/adamw-options.js';
import type { LrSchedule } from '../train/lr-schedule.js';
import type { ModelCheckpointOptions } from '../train/model-checkpoint.js';
import type { EarlyStoppingOptions } from '../train/early-stopping.js';
import type { LimitSettings } from '../train/train-limits.js';
import type { StepReport, ValidationReport } from '../train/training-reports.js';

export interface TrainOptions {
  /** Opened by the caller, closed by the caller. */
  dataset: TrainingDataset;
  /** Samples (topics) of a batch. */
  batchSize: number;
  /** Default true. */
  shuffle?: boolean | undefined;
}

export interface ValidateOptions {
  datasets: readonly RunDatasetOptions[];
  /** Topics of a validation batch (`inference_batch_size`): what limitValBatches and numSanityValSteps count. Default 1. */
  batchSize?: number | undefined;
  /** Measures such as `nDCG@10`; `loss` gives the losses, where the dataset has targets. */
  metrics: readonly string[];
  /** Default: an empty registry. */
  registry?: DatasetRegistry | undefined;
  /** Of their collections. The signal is that of `fit` where none is given. */
  indexing?: CollectionIndexOptions | undefined;
}

/** Lightning's Trainer arguments of the same names; those of `LimitSettings` say how long a run is. */
export interface TrainerSettings extends LimitSettings, Omit<EngineOptions, 'timed'> {
  /** Default 50. */
  logEveryNSteps?: number | undefined;
  gradientClipVal?: number | undefined;
  /** Default norm. */
  gradientClipAlgorithm?: 'norm' | 'value' | undefined;
  /** Tokens whose activations are held at a time; memory follows from it, results do not. Default: from free memory. */
  tokenBudget?: number | undefined;
  /** What to do when a loss or gradient is not finite. Default `stop`; `skip` leaves the step out and counts it. */
  nonFinite?: 'stop' | 'skip' | undefined;
  /** Where logs and checkpoints go. Default: the working directory. */
  defaultRootDir?: string | undefined;
  /** Default true; false writes no checkpoint. */
  enableCheckpointing?: boolean | undefined;
}

/** Everything `fit` needs, by the names of the YAML in camel case. */
export interface FitOptions {
  /** Folder of a model or a Hugging Face id: a checkpoint to go on from or a bare backbone. */
  model: string;
  /** MonoConfig's fields that win over the model's config.json. */
  config?: MonoOverrides | undefined;
  /** Which label's logit is the score, by index or name, for a classification model of several labels. */
  label?: number | string | undefined;
  /** Branch, tag or commit of a Hugging Face id. */
  revision?: string | undefined;
  train: TrainOptions;
  validate?: ValidateOptions | undefined;
  /** Summed; a pair is a loss and its weight. */
  losses: readonly (Loss | readonly [loss: Loss, weight: number])[];
  optimizer?: AdamWOptions | undefined;
  /** Default: constant. */
  lrScheduler?: LrSchedule | undefined;
  trainer?: TrainerSettings | undefined;
  checkpoints?: readonly ModelCheckpointOptions[] | undefined;
  earlyStopping?: readonly EarlyStoppingOptions[] | undefined;
  /** Seed of everything random: a fresh head, shuffling, sampling (of datasets opened with it), dropout. Default 42. */
  seed?: number | undefined;
  /** Lightning's LearningRateMonitor: the rate is logged as `lr-AdamW`, beside the losses. Default false. */
  logLearningRate?: boolean | undefined;
  /** A checkpoint folder to resume from, or `last`: the newest below defaultRootDir. */
  ckptPath?: string | undefined;
  /** Closed by the caller. */
  loggers?: readonly MetricLogger[] | undefined;
  /** Lightning's `log_dir`: `huggingface_checkpoint` lies there. Default: none is written. */
  logFolder?: string | undefined;
  /** Where checkpoints go that name no `dirpath`. Default: `checkpoints` in `logFolder`, else in `defaultRootDir`. */
  checkpointFolder?: string | undefined;
  /**
   * When it fires, the step at work is finished (a validation is not: a resumed run repeats it), a checkpoint is saved and
   * `fit` rejects with `aborted`.
   */
  signal?: AbortSignal | undefined;
  onStep?: ((step: StepReport) => void | Promise<void>) | undefined;
  onValidation?: ((report: ValidationReport) => void | Promise<void>) | undefined;
  /** Called once and waited for, before the first step and before anything is written, when everything is loaded. */
  onStart?: ((summary: FitSummary) => void | Promise<void>) | undefined;
  onWarning?: ((message: string) => void) | undefined;
}

/** What a run is going to do. */
export type FitSummary = TrainingSummary;

export interface FitResult {
  /** Optimizer steps so far. */
  step: number;
  epoch: number;
  reason: 'max_steps' | 'max_epochs' | 'max_time' | 'early_stopping';
  /** Newest metrics by name, losses and validation. */
  metrics: Readonly<Record<string, number>>;
  /** Folders of checkpoints that were kept; the best first where one is monitored. */
  checkpoints: readonly string[];
  /** The Hugging Face folder that was written last; undefined without checkpointing. */
  modelFolder: string | undefined;
  /** Steps left out because of values that were not finite. */
  skippedSteps: number;
}
