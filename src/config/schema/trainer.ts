import { z } from 'zod';
import { datasetFiles } from './data.js';
import { allIgnored, classSpec, ignored, key, openClasses, slot } from './fields.js';

const reRankCallback = classSpec('ReRankCallback', 'Where re_rank writes its runs.', {
  save_dir: key(z.string().min(1).nullable().default(null), 'Folder; null: ./runs/<model>.'),
  run_name: key(
    z.string().min(1).nullable().default(null),
    "File name; null: the input's name up to its first dot, or the id with dashes, and .run.",
  ),
  overwrite: key(z.boolean().default(false), 'Write again where the run exists; else it is skipped.'),
});

const registerLocalDataset = classSpec('RegisterLocalDatasetCallback', 'Gives files an id.', {
  dataset_id: key(z.string().min(1), 'The id.'),
  ...datasetFiles,
});

/** Callbacks of Lightning and lightning-ir that have nothing to do here. */
const idleCallbacks = openClasses(
  [
    'BackboneFinetuning',
    'BatchSizeFinder',
    'DeviceStatsMonitor',
    'EarlyStopping',
    'GenericConstantSchedulerWithLinearWarmup',
    'GenericConstantSchedulerWithQuadraticWarmup',
    'GenericLinearSchedulerWithLinearWarmup',
    'GradientAccumulationScheduler',
    'LearningRateFinder',
    'LearningRateMonitor',
    'ModelCheckpoint',
    'ModelSummary',
    'OnExceptionCheckpoint',
    'RichModelSummary',
    'RichProgressBar',
    'SpikeDetection',
    'StochasticWeightAveraging',
    'ThroughputMonitor',
    'Timer',
    'TQDMProgressBar',
    'WeightAveraging',
  ],
  'Lightning only; does nothing here.',
);

const callbacks = z.array(slot([reRankCallback, registerLocalDataset, idleCallbacks]));

/** Precision names of Lightning's Trainer. Which of them run here is decided in `precision.ts`. */
export const PRECISION_NAMES = [
  32,
  '32',
  '32-true',
  'bf16',
  'bf16-mixed',
  'bf16-true',
  16,
  '16',
  '16-mixed',
  '16-true',
  64,
  '64',
  '64-true',
  'transformer-engine',
  'transformer-engine-float16',
] as const;

const count = (doc: string) => key(z.int().min(0).nullable().default(null), doc, 'fit');

export const trainer = z.strictObject({
  precision: key(z.literal(PRECISION_NAMES).nullable().default(null), 'What the model computes in; null: 32-true.'),
  accelerator: key(z.enum(['auto', 'cpu', 'gpu', 'cuda', 'tpu', 'mps', 'hpu']).default('auto'), 'auto or cpu.'),
  enable_progress_bar: key(z.boolean().nullable().default(null), 'false: no progress is shown.'),
  callbacks: key(callbacks.nullable().default(null), 'See the classes below.'),
  max_epochs: count('Most passes over the training data.'),
  min_epochs: count('Fewest passes over the training data.'),
  max_steps: key(z.int().min(-1).default(-1), 'Most optimizer steps; -1: no limit.', 'fit'),
  min_steps: count('Fewest optimizer steps.'),
  accumulate_grad_batches: key(z.int().min(1).default(1), 'Batches of one optimizer step.', 'fit'),
  gradient_clip_val: key(z.number().min(0).nullable().default(null), 'Largest gradient norm.', 'fit'),
  gradient_clip_algorithm: key(z.enum(['norm', 'value']).nullable().default(null), 'norm or value.', 'fit'),
  val_check_interval: key(z.number().min(0).nullable().default(null), 'Steps between validations.', 'fit'),
  check_val_every_n_epoch: key(z.int().min(1).nullable().default(1), 'Epochs between validations.', 'fit'),
  log_every_n_steps: count('Steps between log lines.'),
  logger: ignored(),
  enable_checkpointing: ignored(),
  ...allIgnored([
    'strategy',
    'devices',
    'num_nodes',
    'fast_dev_run',
    'max_time',
    'limit_train_batches',
    'limit_val_batches',
    'limit_test_batches',
    'limit_predict_batches',
    'overfit_batches',
    'num_sanity_val_steps',
    'enable_model_summary',
    'deterministic',
    'benchmark',
    'inference_mode',
    'use_distributed_sampler',
    'profiler',
    'detect_anomaly',
    'barebones',
    'plugins',
    'sync_batchnorm',
    'reload_dataloaders_every_n_epochs',
    'default_root_dir',
    'enable_autolog_hparams',
    'model_registry',
  ]),
});
