import { z } from 'zod';
import { section, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { earlyStoppingOptions, modelCheckpointOptions } from '../config/schema/callbacks.js';
import { key } from '../config/schema/fields.js';
import { trainerOptions } from '../config/schema/trainer.js';
import { adamWOptions } from '../config/schema/training.js';
import type { CollectionIndexOptions } from '../data/collection/index-cache.js';
import type { DatasetRegistry } from '../data/registry.js';
import type { RunDatasetOptions } from '../data/run-options.js';
import type { TrainingDataset } from '../data/training-dataset.js';
import type { TupleDatasetOptions } from '../data/tuple-dataset.js';
import { modelKeys, given, passed } from '../engine/engine-options.js';
import type { WeightedLoss } from '../loss/weighted-losses.js';
import type { RankGroup } from '../ranks/rank-group.js';
import { SEEDS } from '../random/random-stream.js';
import type { MetricLogger } from '../report/metric-logger.js';
import type { TrainingSummary } from '../report/training-summary.js';
import type { LrSchedule } from '../train/lr-schedules.js';
import type { StepReport, ValidationReport } from '../train/training-reports.js';

/** Training data: a dataset that the caller opens and closes, or options of one that `fit` opens. */
type TrainSource = TrainingDataset | RunDatasetOptions | TupleDatasetOptions;

export const trainSection = z.strictObject({
  dataset: given<TrainSource>('an object', 'A dataset that the caller opened and closes, or options of one.'),
  batch_size: key(z.int().min(1), 'Samples (topics) of a batch.'),
  shuffle: key(z.boolean().default(true), 'Shuffle the samples each epoch.'),
});

export const validateSection = z.strictObject({
  datasets: given<readonly (RunDatasetOptions | TupleDatasetOptions)[]>('a list', 'Runs or tuples to validate on.'),
  batch_size: key(
    z.int().min(1).default(1),
    'Topics per validation batch, the unit of limitValBatches and numSanityValSteps.',
  ),
  metrics: key(
    z.array(z.string().min(1)),
    'Measures such as `nDCG@10`; `loss` adds the losses for datasets with targets.',
  ),
});

/** Options of `fit`: the names of the YAML in camel case. */
export const fitOptions = z.strictObject({
  model: key(z.string().min(1), 'Folder of a model or a Hugging Face id: a cross-encoder or a bare backbone.'),
  config: modelKeys.config,
  label: modelKeys.label,
  revision: modelKeys.revision,
  train: key(section(trainSection), 'Training data.'),
  validate: key(section(validateSection).optional(), 'Validation data.'),
  registry: passed<DatasetRegistry>('an object', 'Files of the datasets. Default: none.'),
  indexing: passed<CollectionIndexOptions>('an object', 'How collections are indexed.'),
  losses: given<readonly WeightedLoss[]>('a list', 'Summed; a pair is a loss and its weight.'),
  optimizer: key(section(adamWOptions).prefault({}), 'Arguments of AdamW.'),
  lr_scheduler: passed<LrSchedule | ((totalSteps: number | undefined) => LrSchedule)>(
    'an object or a function',
    'Learning-rate schedule, or a function of the total optimizer steps (undefined if only time limits the run). Default: constant.',
  ),
  trainer: key(section(trainerOptions).prefault({}), "Lightning's Trainer arguments."),
  checkpoints: key(
    z.array(section(modelCheckpointOptions)).optional(),
    'When to save and what to keep. Default: save at the end of each epoch and of the run, keep the newest.',
  ),
  early_stopping: key(z.array(section(earlyStoppingOptions)).default([]), 'When to stop.'),
  seed: key(
    z
      .union([
        z
          .int()
          .min(0)
          .max(SEEDS - 1),
        z.literal('random'),
      ])
      .optional(),
    'Seed of everything random: a fresh head, shuffling, sampling, dropout. random: choose one. Default: the seed of the resumed run, else 42.',
  ),
  log_learning_rate: key(
    z.boolean().default(false),
    "Lightning's LearningRateMonitor: log the learning rate as `lr-AdamW` with the losses.",
  ),
  ckpt_path: key(
    z.string().min(1).optional(),
    'Checkpoint folder to continue from, or `last`: the newest whole one below defaultRootDir; without any, the run starts from its beginning, with a warning.',
  ),
  ckpt_folders: key(
    z.array(z.string().min(1)).default([]),
    'Further folders of checkpoints of earlier versions of the run, where `last` looks, too.',
  ),
  loggers: passed<readonly MetricLogger[]>('a list', 'Receive the metrics. The caller closes them.'),
  log_folder: key(
    z.string().optional(),
    "Lightning's `log_dir`; receives `huggingface_checkpoint`. Default: it is not written.",
  ),
  checkpoint_folder: key(
    z.string().optional(),
    'Folder of checkpoints without a `dirpath`. Default: `checkpoints` in `logFolder`, else in `defaultRootDir`.',
  ),
  signal: passed<AbortSignal>(
    'an AbortSignal',
    'On abort, `fit` finishes the current step, saves a checkpoint and rejects with `aborted`. A running validation is dropped; a resumed run repeats it.',
  ),
  on_step: passed<(step: StepReport) => void | Promise<void>>('a function', 'Called after each optimizer step.'),
  on_validation: passed<(report: ValidationReport) => void | Promise<void>>(
    'a function',
    'Called after each validation.',
  ),
  on_start: passed<(summary: FitSummary) => void | Promise<void>>(
    'a function',
    'Called once everything is loaded, before the first step and before anything is written.',
  ),
  group: passed<RankGroup>(
    'an object',
    'Ranks that train together, each by a call with the same options. batchSize is per rank. Rank 0 writes, the others need no loggers and no folders.',
  ),
  on_warning: modelKeys.on_warning,
});

export type FitOptions = OptionsOf<typeof fitOptions>;
export type FitSettings = SettingsOf<typeof fitOptions>;
export type TrainOptions = OptionsOf<typeof trainSection>;
export type ValidateOptions = OptionsOf<typeof validateSection>;
export type ValidateSettings = SettingsOf<typeof validateSection>;

/** Summary of a run before its first step. */
export type FitSummary = TrainingSummary;

export interface FitResult {
  /** Optimizer steps so far. */
  step: number;
  epoch: number;
  reason: 'max_steps' | 'max_epochs' | 'max_time' | 'early_stopping';
  /** Newest metrics by name, losses and validation. */
  metrics: Readonly<Record<string, number>>;
  /** Names of the validation datasets, the prefixes of their metrics. */
  validationDatasets: readonly string[];
  /** Folders of the kept checkpoints; best first if a metric is monitored. */
  checkpoints: readonly string[];
  /** The newest model folder; undefined without checkpointing. */
  modelFolder: string | undefined;
  /** Steps skipped because of non-finite values. */
  skippedSteps: number;
}
