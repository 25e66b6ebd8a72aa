import { checkOptionNames, type OptionNames } from '../config/option-names.js';
import { ENGINE_OPTIONS } from '../engine/engine-options.js';
import type { AdamWOptions } from '../train/adamw-options.js';
import type { EarlyStoppingOptions } from '../train/early-stopping.js';
import type { ModelCheckpointOptions } from '../train/model-checkpoint.js';
import type { FitOptions, TrainerSettings, TrainOptions, ValidateOptions } from './fit-options.js';

const FIT: OptionNames<FitOptions> = {
  model: true,
  config: true,
  label: true,
  revision: true,
  train: true,
  validate: true,
  losses: true,
  optimizer: true,
  lrScheduler: true,
  trainer: true,
  checkpoints: true,
  earlyStopping: true,
  seed: true,
  logLearningRate: true,
  ckptPath: true,
  loggers: true,
  logFolder: true,
  checkpointFolder: true,
  signal: true,
  onStep: true,
  onValidation: true,
  onStart: true,
  onWarning: true,
};

// what `timed` measures reaches nobody through fit
const { timed: _, ...ENGINE } = ENGINE_OPTIONS;

const TRAINER: OptionNames<TrainerSettings> = {
  ...ENGINE,
  maxSteps: true,
  maxEpochs: true,
  maxTime: true,
  accumulateGradBatches: true,
  limitTrainBatches: true,
  valCheckInterval: true,
  checkValEveryNEpoch: true,
  limitValBatches: true,
  numSanityValSteps: true,
  logEveryNSteps: true,
  gradientClipVal: true,
  gradientClipAlgorithm: true,
  tokenBudget: true,
  nonFinite: true,
  defaultRootDir: true,
  enableCheckpointing: true,
};

const TRAIN: OptionNames<TrainOptions> = { dataset: true, batchSize: true, shuffle: true };
const VALIDATE: OptionNames<ValidateOptions> = {
  datasets: true,
  batchSize: true,
  metrics: true,
  registry: true,
  indexing: true,
};

const OPTIMIZER: OptionNames<AdamWOptions> = { lr: true, betas: true, eps: true, weightDecay: true };
const CHECKPOINT: OptionNames<ModelCheckpointOptions> = {
  dirpath: true,
  filename: true,
  autoInsertMetricName: true,
  monitor: true,
  mode: true,
  saveTopK: true,
  saveLast: true,
  everyNTrainSteps: true,
  everyNEpochs: true,
  saveOnTrainEpochEnd: true,
};
const STOPPING: OptionNames<EarlyStoppingOptions> = {
  monitor: true,
  mode: true,
  patience: true,
  minDelta: true,
  stoppingThreshold: true,
  divergenceThreshold: true,
  strict: true,
  checkFinite: true,
  checkOnTrainEpochEnd: true,
};

/** @throws RankDistillmError `bad_input` for an option that `fit` does not know */
export function checkFitOptionNames(options: FitOptions): void {
  checkOptionNames(options, FIT, 'fit');
  checkOptionNames(options.train, TRAIN, 'fit: train');
  if (options.validate) checkOptionNames(options.validate, VALIDATE, 'fit: validate');
  if (options.trainer) checkOptionNames(options.trainer, TRAINER, 'fit: trainer');
  if (options.optimizer) checkOptionNames(options.optimizer, OPTIMIZER, 'fit: optimizer');
  for (const checkpoint of options.checkpoints ?? []) checkOptionNames(checkpoint, CHECKPOINT, 'fit: checkpoints');
  for (const stopping of options.earlyStopping ?? []) checkOptionNames(stopping, STOPPING, 'fit: earlyStopping');
}
