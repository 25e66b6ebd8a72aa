import { z } from 'zod';
import { batchLimit } from './batch-limit.js';
import { callbacks, LEARNING_CALLBACKS } from './callbacks.js';
import { engineKeys, engineOptions } from './engine.js';
import { allIgnored, inWords, key, onlyDefault, ours, withRule, type KeyUse } from './fields.js';
import { loggers } from './loggers.js';
import { outputFolder } from './paths.js';

const amount = (doc: string) => key(z.number().min(0).optional(), doc, 'fit');

/** `datetime.timedelta` as Lightning takes it, or seconds. */
const timeSpan = inWords(
  z.union([
    z.number().min(0),
    z.string().regex(/^\s*\d+:\d\d:\d\d:\d\d\s*$/),
    z.strictObject({
      weeks: amount('Weeks.'),
      days: amount('Days.'),
      hours: amount('Hours.'),
      minutes: amount('Minutes.'),
      seconds: amount('Seconds.'),
    }),
  ]),
  'text like "00:12:00:00" (days, hours, minutes, seconds), a mapping of weeks, days, hours, minutes, seconds, or a number of seconds',
);

const count = (least: number, doc: string) => key(z.int().min(least).nullable().default(null), doc, 'fit');
const flag = (doc: string) => key(z.boolean().nullable().default(null), doc, 'fit');
const limit = (doc: string, use: KeyUse = 'fit') => key(batchLimit(0).nullable().default(null), doc, use);

/** What fit does, by Lightning's names: keys of the trainer, and options of `fit` in the API. */
const trainingKeys = {
  max_steps: key(z.int().min(-1).default(-1), 'Optimizer steps after which training ends; -1: no limit.', 'fit'),
  max_epochs: count(
    -1,
    'Passes over the training data after which training ends; -1: no limit; null: 1000 unless max_steps or max_time is set.',
  ),
  max_time: key(timeSpan.nullable().default(null), 'Time after which training ends.', 'fit'),
  limit_train_batches: limit('Batches of an epoch to train on; null: all.'),
  overfit_batches: key(
    batchLimit(0).default(0),
    'Batches to train and to validate on, always the same and in their order, in place of the two limits; 0: off.',
    'fit',
  ),
  limit_val_batches: limit('Batches of each validation dataset to use; null: all.'),
  val_check_interval: key(
    batchLimit(1).nullable().default(null),
    "Training batches between validations, or a share of an epoch; null: at the epoch's end.",
    'fit',
  ),
  check_val_every_n_epoch: key(
    z.int().min(1).nullable().default(1),
    'Epochs between validations; null: val_check_interval counts batches over all epochs.',
    'fit',
  ),
  num_sanity_val_steps: count(-1, 'Batches to validate before training; null: 2; -1: all.'),
  log_every_n_steps: count(0, 'Optimizer steps between log rows; null: 50.'),
  accumulate_grad_batches: key(z.int().min(1).default(1), 'Batches per optimizer step.', 'fit'),
  gradient_clip_val: key(z.number().min(0).nullable().default(null), 'Largest gradient norm, or value.', 'fit'),
  gradient_clip_algorithm: key(
    z.enum(['norm', 'value']).nullable().default(null),
    'Whether the norm or each value is clipped; null: norm.',
    'fit',
  ),
  token_budget: ours(
    z.int().min(1).nullable().default(null),
    'Tokens whose activations are kept at a time. It bounds memory and does not change results; null: from free memory.',
    'fit',
  ),
  non_finite: ours(
    z.enum(['stop', 'skip']).default('stop'),
    'When a loss or gradient is NaN or infinite: stop, or skip the step and count it.',
    'fit',
  ),
  default_root_dir: outputFolder('Folder for logs and checkpoints; null: the current one.', 'fit'),
  enable_checkpointing: flag('false: save nothing.'),
};

type TrainingKeys = z.output<z.ZodObject<typeof trainingKeys>>;

function* clipRule({ gradient_clip_algorithm: algorithm, gradient_clip_val: value }: TrainingKeys) {
  if (algorithm === null || value !== null) return;
  const hint = 'Set $gradient_clip_val, for example to 1.0, or leave both out.';
  yield { path: ['gradient_clip_algorithm'], what: 'is set without $gradient_clip_val', hint };
}

/** Keys of Lightning that would change training, of which only the default is supported. */
const onlyDefaults = {
  fast_dev_run: key(
    z.union([z.boolean(), z.int().min(0)]).default(false),
    'Not supported, must be false.',
    'fit',
    onlyDefault(
      'is not supported',
      'For a quick try set max_steps: 1, limit_val_batches: 1, logger: false and enable_checkpointing: false.',
      false,
      0,
    ),
  ),
  min_epochs: count(0, 'Fewest passes over the training data; not supported with EarlyStopping or max_time.'),
  min_steps: count(0, 'Fewest optimizer steps; not supported with EarlyStopping or max_time.'),
};

/** `trainer` of the API's `fit`. */
export const trainerOptions = withRule(z.strictObject({ ...engineOptions.shape, ...trainingKeys }), 'fit', clipRule);

export const trainer = z.strictObject({
  accelerator: key(
    z.enum(['auto', 'cpu', 'gpu', 'cuda', 'tpu', 'mps', 'hpu']).default('auto'),
    'cpu, gpu (or cuda); auto: the first GPU where there is one.',
  ),
  devices: key(
    z.union([z.int(), z.string(), z.array(z.int().min(0))]).default('auto'),
    'Processes on this host, each with one GPU or on the CPU: a count, or numbers of GPUs as a list, [1]; auto: one per GPU, else one; -1: all GPUs.',
  ),
  num_nodes: key(z.int().min(1).default(1), 'Hosts; each is started by its own command.'),
  strategy: key(z.string().default('auto'), 'How processes share the work: auto and ddp, which are the same.', 'used', {
    what: (name) => (['auto', 'ddp'].includes(name) ? undefined : `${name} is not supported`),
    hint: 'Set trainer.strategy to auto or ddp: every process holds the whole model.',
  }),
  rank_timeout: ours(
    z.number().min(1).default(60),
    'Seconds that one of several processes may be silent before the others end.',
  ),
  ...engineKeys,
  enable_progress_bar: key(z.boolean().nullable().default(null), 'false: show no progress.'),
  callbacks: key(callbacks.nullable().default(null), 'See the classes below.'),
  limit_test_batches: limit('Batches of topics that re_rank scores of each run; null: all.', 're_rank'),
  ...trainingKeys,
  logger: key(loggers.nullable().default(null), 'null and true: a TensorBoardLogger.', 'fit'),
  enable_model_summary: flag('false: show no summary at the start.'),
  ...onlyDefaults,
  ...allIgnored({
    limit_predict_batches: null,
    deterministic: null,
    benchmark: null,
    inference_mode: true,
    use_distributed_sampler: true,
    profiler: null,
    detect_anomaly: false,
    barebones: false,
    plugins: null,
    sync_batchnorm: false,
    reload_dataloaders_every_n_epochs: 0,
    enable_autolog_hparams: true,
    model_registry: null,
  }),
});

withRule(trainer, 'fit', clipRule);
withRule(trainer, 're_rank', function* ({ callbacks: listed }) {
  const places = [...(listed ?? []).entries()].filter(([, callback]) => callback.class_path === 'ReRankCallback');
  if (places.length < 2) return;
  const hint = 'Keep one; --trainer.callbacks+= appends, --trainer.callbacks.init_args.save_dir changes the last one.';
  yield { path: ['callbacks', places[1]![0]], what: 'a second ReRankCallback', hint };
});
withRule(trainer, 'fit', function* (settings) {
  const stopsEarly = settings.callbacks?.some((callback) => callback.class_path === 'EarlyStopping') === true;
  for (const key of ['min_steps', 'min_epochs'] as const) {
    if (settings[key] === null || (settings.max_time === null && !stopsEarly)) continue;
    const hint = `Leave $${key} out, or give EarlyStopping more patience.`;
    yield { path: [key], what: 'is not supported with EarlyStopping or $max_time', hint, code: 'unsupported' };
  }
  for (const [index, callback] of (settings.callbacks ?? []).entries()) {
    if (!LEARNING_CALLBACKS.some((name) => name === callback.class_path)) continue;
    const hint = callback.class_path === 'Timer' ? 'Set trainer.max_time.' : 'Remove it from trainer.callbacks.';
    const what = `${callback.class_path} changes training and is not supported`;
    yield { path: ['callbacks', index], what, hint, code: 'unsupported' };
  }
  const checkpoint = settings.callbacks?.findIndex((callback) => callback.class_path === 'ModelCheckpoint') ?? -1;
  if (checkpoint !== -1 && settings.enable_checkpointing === false) {
    const what = 'a ModelCheckpoint contradicts trainer.enable_checkpointing: false';
    yield { path: ['callbacks', checkpoint], what, hint: 'Remove one of the two.' };
  }
});
