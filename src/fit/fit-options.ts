import type { MonoOverrides } from '../checkpoint/load-checkpoint.js';
import type { DatasetRegistry } from '../data/registry.js';
import type { RunDatasetOptions } from '../data/run-options.js';
import type { TrainingDataset } from '../data/training-records.js';
import type { Loss } from '../loss/loss.js';
import type { MetricLogger } from '../report/metric-logger.js';
import type { AdamWOptions } from '../train/adamw-options.js';
import type { LrSchedule } from '../train/lr-schedule.js';
import type { ModelCheckpointOptions } from '../train/model-checkpoint.js';
import type { EarlyStoppingOptions } from '../train/early-stopping.js';
import type { BatchLimit } from '../train/train-limits.js';
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
}

/** Lightning's Trainer arguments of the same names. */
export interface TrainerSettings {
  /** -1 or undefined: no limit. */
  maxSteps?: number | undefined;
  /** Default: 1000 when nothing else limits the run, as in Lightning. */
  maxEpochs?: number | undefined;
  /** Seconds. */
  maxTime?: number | undefined;
  /** A number of batches, or a share of an epoch where below 1 or written 1.0 (`{ share }`). Default: all. */
  limitTrainBatches?: BatchLimit | undefined;
  limitValBatches?: BatchLimit | undefined;
  /** Batches between validations, or a share of an epoch. Default: the epoch's end. */
  valCheckInterval?: BatchLimit | undefined;
  /** Default 1; null: valCheckInterval counts over epochs. */
  checkValEveryNEpoch?: number | null | undefined;
  /** Validation batches run before training. Default 2; -1: all; 0: none. */
  numSanityValSteps?: number | undefined;
  /** Default 50. */
  logEveryNSteps?: number | undefined;
  /** Batches of one optimizer step. Default 1. */
  accumulateGradBatches?: number | undefined;
  gradientClipVal?: number | undefined;
  /** Default norm. */
  gradientClipAlgorithm?: 'norm' | 'value' | undefined;
  /** `32-true` (default), `bf16-mixed`. */
  precision?: string | number | undefined;
  /** Tokens whose activations are held at a time; memory follows from it, results do not. Default: from free memory. */
  tokenBudget?: number | undefined;
  /** Engine threads, process-wide; by default physical cores or the cgroup's share. */
  threads?: number | undefined;
  /** What to do when a loss or gradient is not finite. Default `stop`; `skip` leaves the step out and counts it. */
  nonFinite?: 'stop' | 'skip' | undefined;
  /** Where logs and checkpoints go. Default: the working directory. */
  defaultRootDir?: string | undefined;
  /** Default true; false writes no checkpoint. */
  enableCheckpointing?: boolean | undefined;
}

/** Everything `fit` needs, by the names of the YAML. */
export interface FitOptions {
  /** Folder of a model or a Hugging Face id: a checkpoint to go on from or a bare backbone. */
  model: string;
  /** MonoConfig's fields that win over the model's config.json. */
  config?: MonoOverrides | undefined;
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
  /** Closed by the caller. `folder` is where checkpoints go: `<folder>/checkpoints`. */
  loggers?: readonly MetricLogger[] | undefined;
  /** Lightning's version folder; default: none is made and checkpoints go to `<defaultRootDir>/checkpoints`. */
  logFolder?: string | undefined;
  /** When it fires, the step at work is finished, a checkpoint is saved and `fit` rejects with `aborted`. */
  signal?: AbortSignal | undefined;
  onStep?: ((step: StepReport) => void | Promise<void>) | undefined;
  onValidation?: ((report: ValidationReport) => void | Promise<void>) | undefined;
  /** Called once and waited for, before the first step and before anything is written, when everything is loaded. */
  onStart?: ((summary: FitSummary) => void | Promise<void>) | undefined;
  onWarning?: ((message: string) => void) | undefined;
}

export interface FitSummary {
  model: string;
  modelClass: string;
  /** Trained numbers. */
  parameters: number;
  precision: 'float32' | 'bfloat16';
  threads: number;
  tokenBudget: number;
  dataset: string;
  samples: number;
  docsPerSample: number;
  batchSize: number;
  batchesPerEpoch: number;
  /** Optimizer steps of the whole run; undefined when only time limits it. */
  totalSteps: number | undefined;
  /** Step it goes on from. */
  startStep: number;
  /** Estimated from a short measurement; undefined when there is nothing to measure with. */
  secondsPerStep: number | undefined;
}

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
