import { z } from 'zod';
import { datasetFiles } from './data.js';
import { allIgnored, classSpec, ignored, key, openClasses, slot } from './fields.js';

const reRankCallback = classSpec('ReRankCallback', 'Where re_rank writes its runs.', {
  save_dir: key(
    z.string().min(1).nullable().default(null),
    'Folder; null: runs in the model folder, ./runs/<id> for a Hugging Face id.',
    're_rank',
  ),
  run_name: key(
    z.string().min(1).nullable().default(null),
    "File name; null: the input's name without its suffix, or the id with dashes, and .run.",
    're_rank',
  ),
  overwrite: key(
    z.boolean().default(false),
    'Compute a run again that exists; else the same result is skipped and another one an error.',
    're_rank',
  ),
});

const registerLocalDataset = classSpec('RegisterLocalDatasetCallback', 'Gives files an id.', {
  dataset_id: key(z.string().min(1), 'The id.'),
  ...datasetFiles,
});

const mode = key(z.enum(['min', 'max']).default('min'), 'min: less is better.', 'fit');

const whenJudged = (doc: string) =>
  key(
    z.boolean().nullable().default(null),
    `${doc}; false: after each validation; null: as validations are scheduled.`,
    'fit',
  );

const modelCheckpoint = classSpec('ModelCheckpoint', 'When fit saves, and what it keeps.', {
  dirpath: key(
    z.string().min(1).nullable().default(null),
    'Folder; null: checkpoints in the folder of the run.',
    'fit',
  ),
  filename: key(
    z.string().min(1).nullable().default(null),
    'Name, with values in braces: {epoch}-{step}-{loss:.2f}; null: {epoch}-{step}.',
    'fit',
  ),
  auto_insert_metric_name: key(z.boolean().default(true), '{loss} becomes loss=0.5; false: 0.5.', 'fit'),
  monitor: key(
    z.string().min(1).nullable().default(null),
    'Logged name whose best checkpoints are kept; null: the newest.',
    'fit',
  ),
  mode,
  save_top_k: key(z.int().min(-1).default(1), 'How many are kept; -1: all, 0: none.', 'fit'),
  save_last: key(
    z
      .union([z.boolean(), z.literal('link')])
      .nullable()
      .default(null),
    'Keep the newest, too, under the name last.',
    'fit',
  ),
  every_n_train_steps: key(z.int().min(0).nullable().default(null), 'Optimizer steps between checkpoints.', 'fit'),
  every_n_epochs: key(
    z.int().min(0).nullable().default(null),
    'Epochs between checkpoints; 1 where every_n_train_steps is not given.',
    'fit',
  ),
  save_on_train_epoch_end: whenJudged("Whether every_n_epochs saves at the epoch's end"),
  train_time_interval: key(z.unknown().optional(), 'Time between checkpoints; not built, must be null.', 'fit'),
  ...allIgnored(['verbose', 'save_on_exception', 'save_weights_only', 'enable_version_counter']),
});

const threshold = (doc: string) => key(z.number().nullable().default(null), doc, 'fit');

const earlyStopping = classSpec('EarlyStopping', 'Ends fit when a value no longer gets better.', {
  monitor: key(z.string().min(1), 'Logged name that is watched.', 'fit'),
  min_delta: key(z.number().default(0), 'Smallest change that counts as better.', 'fit'),
  patience: key(z.int().min(0).default(3), 'Validations without getting better.', 'fit'),
  mode,
  strict: key(z.boolean().default(true), 'A missing value is an error.', 'fit'),
  check_finite: key(z.boolean().default(true), 'Stop when the value is NaN or infinite.', 'fit'),
  stopping_threshold: threshold('Stop at once when it is better than this.'),
  divergence_threshold: threshold('Stop at once when it is worse than this.'),
  check_on_train_epoch_end: whenJudged("Whether the value is looked at at the epoch's end"),
  ...allIgnored(['verbose', 'log_rank_zero_only']),
});

const learningRateMonitor = classSpec('LearningRateMonitor', 'Logs the learning rate as lr-AdamW.', {
  logging_interval: key(z.enum(['step', 'epoch']).nullable().default(null), 'null and step are the same here.', 'fit'),
  log_momentum: ignored(),
  log_weight_decay: ignored(),
});

/** Callbacks of Lightning and lightning-ir that change what is learnt: fit must not pass over them. */
export const LEARNING_CALLBACKS = [
  'BackboneFinetuning',
  'BatchSizeFinder',
  'GenericConstantSchedulerWithLinearWarmup',
  'GenericConstantSchedulerWithQuadraticWarmup',
  'GenericLinearSchedulerWithLinearWarmup',
  'GradientAccumulationScheduler',
  'LearningRateFinder',
  'StochasticWeightAveraging',
  'Timer',
  'WeightAveraging',
] as const;

const idleCallbacks = openClasses(
  [
    ...LEARNING_CALLBACKS,
    'DeviceStatsMonitor',
    'ModelSummary',
    'OnExceptionCheckpoint',
    'RichModelSummary',
    'RichProgressBar',
    'SpikeDetection',
    'ThroughputMonitor',
    'TQDMProgressBar',
  ],
  'Lightning only; does nothing here.',
);

export const callbacks = z.array(
  slot([reRankCallback, registerLocalDataset, modelCheckpoint, earlyStopping, learningRateMonitor, idleCallbacks]),
);
