import type { MonoOverrides } from '../models/load-checkpoint.js';
import type { LoadedConfig } from '../config/load-config.js';
import type { Config } from '../config/schema/schema.js';
import { RankDistillmError } from '../errors.js';
import type { TrainerSettings } from '../fit/fit-options.js';
import type { AdamWOptions } from '../train/adamw-options.js';
import type { EarlyStoppingOptions } from '../train/early-stopping.js';
import type { ModelCheckpointOptions } from '../train/model-checkpoint.js';
import {
  inferenceRuns,
  measureNames,
  labelOf,
  monoOverrides,
  namedModel,
  refuseGiven,
  refuseNotBuilt,
  registeredDatasets,
  type DatasetFiles,
  type PlaceOf,
  type RunSettings,
} from './config-plan.js';
import { callbacksOf, type PlacedMonitor } from './fit-plan/callbacks.js';
import { loggersOf, type LoggerSettings } from './fit-plan/loggers.js';
import { lossesOf, type LossSettings } from './fit-plan/losses.js';
import { refuseForFit } from './fit-plan/refusals.js';
import { scheduleOf, type ScheduleSettings } from './fit-plan/schedule.js';
import { trainDatasetOf, type TrainSettings } from './fit-plan/train-dataset.js';
import { trainerSettings } from './fit-plan/trainer.js';

/** What fit does, read from a configuration and checked as far as that goes without opening files. */
export interface FitPlan {
  model: string;
  overrides: MonoOverrides;
  label: number | string | undefined;
  /** Undefined: a new one for this run. */
  seed: number | undefined;
  /** Files by dataset id. */
  registered: Map<string, DatasetFiles>;
  train: TrainSettings;
  batchSize: number;
  shuffle: boolean;
  validation: RunSettings[];
  validationBatchSize: number | undefined;
  /** Names of measures as ir_measures prints them, and `loss`. */
  metrics: string[];
  losses: LossSettings[];
  optimizer: AdamWOptions;
  schedule: ScheduleSettings | undefined;
  trainer: TrainerSettings;
  checkpoints: ModelCheckpointOptions[];
  earlyStopping: EarlyStoppingOptions[];
  /** What callbacks watch, and where that was written. */
  monitors: PlacedMonitor[];
  logLearningRate: boolean;
  loggers: LoggerSettings[];
  /** Folder for logs and checkpoints where there is no logger. */
  rootDir: string;
  ckptPath: string | undefined;
  showProgress: boolean;
  showSummary: boolean;
}

export function planFit({ config, placeOf }: LoadedConfig): FitPlan {
  const model = namedModel(config);
  refuseNotBuilt(config, placeOf);
  refuseForFit(config, placeOf);
  const data = config.data?.init_args;
  const optimizer = optimizerOf(config, placeOf);
  const losses = lossesOf(config, placeOf);
  return {
    model,
    overrides: monoOverrides(config, placeOf),
    label: labelOf(config),
    seed: typeof config.seed_everything === 'number' ? config.seed_everything : undefined,
    registered: registeredDatasets(config, placeOf),
    train: trainDatasetOf(config, losses, placeOf),
    batchSize: batchSizeOf(config, placeOf),
    shuffle: data?.shuffle_train ?? true,
    validation: validationRuns(config, placeOf),
    validationBatchSize: data?.inference_batch_size ?? undefined,
    metrics: measureNames(config, placeOf),
    losses,
    optimizer,
    schedule: scheduleOf(config, placeOf),
    trainer: trainerSettings(config, placeOf),
    ...callbacksOf(config, placeOf),
    loggers: loggersOf(config),
    rootDir: config.trainer.default_root_dir ?? '.',
    ckptPath: config.ckpt_path ?? undefined,
    showProgress: config.trainer.enable_progress_bar !== false,
    showSummary: config.trainer.enable_model_summary !== false,
  };
}

function batchSizeOf(config: Config, placeOf: PlaceOf): number {
  const size = config.data?.init_args.train_batch_size;
  if (size != null) return size;
  const path = ['data', 'init_args'];
  throw new RankDistillmError('bad_input', `${placeOf(path)}: data.init_args.train_batch_size is missing`, {
    hint: 'Say how many topics a training step takes, for example train_batch_size: 32.',
  });
}

function validationRuns(config: Config, placeOf: PlaceOf): RunSettings[] {
  const runs = inferenceRuns(config, placeOf, 'validation');
  refuseGiven(
    runs.map((run, index) => ({
      given: run.add_docs_not_in_ranking,
      path: ['data', 'init_args', 'inference_datasets', index, 'init_args', 'add_docs_not_in_ranking'],
      what: 'validation takes the documents of the run and no others',
      hint: 'Set add_docs_not_in_ranking to false; it is for train_dataset.',
    })),
    placeOf,
  );
  return runs;
}

function optimizerOf(config: Config, placeOf: PlaceOf): AdamWOptions {
  if (config.optimizer === null) {
    throw new RankDistillmError('bad_input', `${placeOf([])}: optimizer: none is named`, {
      hint: 'Add "optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1.0e-5}}".',
    });
  }
  const { lr, betas, eps, weight_decay: weightDecay } = config.optimizer.init_args;
  return { lr, betas: [betas[0]!, betas[1]!], eps, weightDecay };
}
