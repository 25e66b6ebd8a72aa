import { z } from 'zod';
import { datasetFiles } from './data.js';
import {
  allIgnored,
  classSpec,
  extended,
  ignored,
  key,
  onlyDefault,
  openClasses,
  ours,
  slot,
  withRule,
} from './fields.js';
import { outputFolder } from './paths.js';

/** ReRankCallback, and options of `rerankRuns` in the API. */
export const reRankCallbackKeys = {
  save_dir: outputFolder('Folder; null: runs in the model folder, ./runs/<id> for a Hugging Face id.', 're_rank'),
  run_name: key(
    z.string().min(1).nullable().default(null),
    "File name; null: the input's name without its suffix, or the id with dashes, and .run.",
    're_rank',
  ),
  overwrite: key(
    z.boolean().default(false),
    'true: compute a run again that exists; false: skip a run that is the same result, and refuse another one.',
    're_rank',
  ),
  refine: ours(
    z.int().min(1).nullable().default(null),
    'Number of documents of each topic that are the best of 32-true: those in doubt are scored again; null: none.',
    're_rank',
  ),
};

const reRankCallback = classSpec('ReRankCallback', 'Where re_rank writes its runs.', reRankCallbackKeys);

const registerLocalDataset = classSpec('RegisterLocalDatasetCallback', 'Gives files an id.', {
  dataset_id: key(z.string().min(1), 'The id.'),
  ...datasetFiles,
});

const monitor = z.string().min(1);
const mode = key(z.enum(['min', 'max']).default('min'), 'min: less is better.', 'fit');

const whenValidated = (doc: string) =>
  key(
    z.boolean().nullable().default(null),
    `${doc}; false: after each validation; null: follows the validations.`,
    'fit',
  );

/** `ModelCheckpointOptions` of the API. */
export const modelCheckpointOptions = withRule(
  z.strictObject({
    dirpath: outputFolder('Folder of the checkpoints; null: checkpoints in the log folder.', 'fit'),
    filename: key(
      z.string().min(1).nullable().default(null),
      'Name, with values in braces: {epoch}-{step}-{loss:.2f}; null: {epoch}-{step}.',
      'fit',
    ),
    auto_insert_metric_name: key(z.boolean().default(true), '{loss} becomes loss=0.5; false: 0.5.', 'fit'),
    monitor: key(
      monitor.nullable().default(null),
      'Logged name whose best checkpoints are kept; null: the newest.',
      'fit',
    ),
    mode,
    save_top_k: key(z.int().min(-1).default(1), 'Number of checkpoints to keep; -1: all, 0: none.', 'fit'),
    save_last: key(
      z
        .union([z.boolean(), z.literal('link')])
        .nullable()
        .default(null),
      'Also keep the newest under the name last.',
      'fit',
    ),
    every_n_train_steps: key(z.int().min(0).nullable().default(null), 'Optimizer steps between checkpoints.', 'fit'),
    every_n_epochs: key(
      z.int().min(0).nullable().default(null),
      'Epochs between checkpoints; null: 1 unless every_n_train_steps is set.',
      'fit',
    ),
    save_weights_only: key(
      z.boolean().default(false),
      'Save model folders without the optimizer: smaller, and training cannot continue from them.',
      'fit',
    ),
    save_on_train_epoch_end: whenValidated("true: every_n_epochs saves at the epoch's end"),
  }),
  'fit',
  function* ({ monitor: watched, save_top_k: topK, every_n_train_steps: steps, every_n_epochs: epochs }) {
    if (watched === null && topK > 1) {
      yield {
        path: ['save_top_k'],
        what: `without $monitor nothing says which ${topK} checkpoints are the best`,
        hint: 'Set $monitor, or $save_top_k to -1 (all), 0 (none) or 1 (the newest).',
      };
    }
    if ((steps ?? 0) > 0 && (epochs ?? 0) > 0) {
      yield {
        path: ['every_n_epochs'],
        what: 'and $every_n_train_steps exclude each other',
        hint: 'Keep one of them, or list two checkpoint callbacks.',
      };
    }
  },
);

const modelCheckpoint = classSpec(
  'ModelCheckpoint',
  'When fit saves, and what it keeps.',
  extended(modelCheckpointOptions, {
    train_time_interval: key(
      z.unknown().optional(),
      'Time between checkpoints; not supported, must be null.',
      'fit',
      onlyDefault('is not supported', 'Set every_n_train_steps.'),
    ),
    ...allIgnored({ verbose: false, save_on_exception: false, enable_version_counter: true }),
  }),
);

const threshold = (doc: string) => key(z.number().nullable().default(null), doc, 'fit');

/** `EarlyStoppingOptions` of the API. */
export const earlyStoppingOptions = z.strictObject({
  monitor: key(monitor, 'Logged name to watch.', 'fit'),
  min_delta: key(z.number().default(0), 'Smallest change that counts as better.', 'fit'),
  patience: key(z.int().min(0).default(3), 'Validations without improvement before training ends.', 'fit'),
  mode,
  strict: key(z.boolean().default(true), 'A missing value is an error.', 'fit'),
  check_finite: key(z.boolean().default(true), 'Stop when the value is NaN or infinite.', 'fit'),
  stopping_threshold: threshold('Stop at once when the value is better than this.'),
  divergence_threshold: threshold('Stop at once when the value is worse than this.'),
  check_on_train_epoch_end: whenValidated("true: check the value at the epoch's end"),
});

const earlyStopping = classSpec(
  'EarlyStopping',
  'Ends fit when a value no longer gets better.',
  extended(earlyStoppingOptions, allIgnored({ verbose: false, log_rank_zero_only: false })),
);

const learningRateMonitor = classSpec('LearningRateMonitor', 'Logs the learning rate as lr-AdamW.', {
  logging_interval: key(z.enum(['step', 'epoch']).nullable().default(null), 'null and step are the same here.', 'fit'),
  log_momentum: ignored(undefined, false),
  log_weight_decay: ignored(undefined, false),
});

/** Callbacks of Lightning and lightning-ir that change training: fit refuses them. */
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

const idle = <const N extends string>(name: N, defaults: Record<string, unknown>) =>
  classSpec(name, 'Lightning only; does nothing here.', allIgnored(defaults));

export const callbacks = z.array(
  slot(
    [
      reRankCallback,
      registerLocalDataset,
      modelCheckpoint,
      earlyStopping,
      learningRateMonitor,
      openClasses(LEARNING_CALLBACKS, 'Lightning only; fit refuses it.'),
      idle('DeviceStatsMonitor', { cpu_stats: null }),
      idle('ModelSummary', { max_depth: 1 }),
      idle('OnExceptionCheckpoint', { dirpath: null, filename: 'on_exception' }),
      idle('RichModelSummary', { max_depth: 1 }),
      idle('RichProgressBar', { refresh_rate: 1, leave: false, theme: null, console_kwargs: null }),
      idle('SpikeDetection', {
        mode: 'min',
        window: 10,
        warmup: 1,
        atol: null,
        rtol: 2,
        exclude_batches_path: null,
        finite_only: true,
      }),
      idle('ThroughputMonitor', { batch_size_fn: null, length_fn: null, separator: '/', window_size: 100 }),
      idle('TQDMProgressBar', { refresh_rate: 1, process_position: 0, leave: false }),
    ],
    { aliases: { RankCallback: 'ReRankCallback' } },
  ),
);
