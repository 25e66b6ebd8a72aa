import { z } from 'zod';
import { batchLimit } from './batch-limit.js';
import { callbacks } from './callbacks.js';
import { allIgnored, inWords, key, type KeyUse } from './fields.js';
import { loggers } from './loggers.js';

/** Precision names of Lightning's Trainer, and our int8. Which of them run here is decided in `precision.ts`. */
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
  'int8',
  64,
  '64',
  '64-true',
  'transformer-engine',
  'transformer-engine-float16',
] as const;

/** Of the engine, and of those that tokenize. */
export const MOST_THREADS = 1024;

const amount = (doc: string) => key(z.number().min(0).optional(), doc, 'fit');

/** `datetime.timedelta` as Lightning takes it. */
const timeSpan = inWords(
  z.union([
    z.string().regex(/^\s*\d+:\d\d:\d\d:\d\d\s*$/),
    z.strictObject({
      weeks: amount('Weeks.'),
      days: amount('Days.'),
      hours: amount('Hours.'),
      minutes: amount('Minutes.'),
      seconds: amount('Seconds.'),
    }),
  ]),
  'text like "00:12:00:00" (days, hours, minutes, seconds) or a mapping of weeks, days, hours, minutes, seconds',
);

const count = (least: number, doc: string) => key(z.int().min(least).nullable().default(null), doc, 'fit');
const flag = (doc: string) => key(z.boolean().nullable().default(null), doc, 'fit');
const limit = (doc: string, use: KeyUse = 'fit') => key(batchLimit(0).nullable().default(null), doc, use);

/** Lightning's arguments whose meaning fit must not pass over in silence, though only their defaults are built. */
const onlyDefaults = {
  fast_dev_run: key(z.union([z.boolean(), z.int().min(0)]).default(false), 'Not built, must be false.', 'fit'),
  overfit_batches: key(z.number().min(0).default(0), 'Not built, must be 0.', 'fit'),
  min_epochs: count(0, 'Fewest passes over the training data; not built beside EarlyStopping or max_time.'),
  min_steps: count(0, 'Fewest optimizer steps; not built beside EarlyStopping or max_time.'),
  num_nodes: key(z.int().default(1), 'Must be 1.', 'fit'),
};

export const trainer = z.strictObject({
  precision: key(z.literal(PRECISION_NAMES).nullable().default(null), 'What the model computes in; null: 32-true.'),
  accelerator: key(
    z.enum(['auto', 'cpu', 'gpu', 'cuda', 'tpu', 'mps', 'hpu']).default('auto'),
    'cpu, gpu (or cuda); auto: the first GPU where there is one.',
  ),
  devices: key(
    z.union([z.int(), z.string(), z.array(z.int().min(0))]).default('auto'),
    'auto, 1, or the number of one GPU as a list: [1].',
  ),
  tf32: key(z.boolean().default(false), 'GPUs: float32 products on tensor cores, less exact. Not in Lightning.'),
  memory_fraction: key(
    z.number().gt(0).max(1).nullable().default(null),
    'GPUs: share of the memory that may be taken; null: what is free. Not in Lightning.',
  ),
  threads: key(
    z.int().min(1).max(MOST_THREADS).nullable().default(null),
    'Threads of the engine; null: physical cores, or what the control group allows. Not in Lightning.',
  ),
  tokenizer_threads: key(
    z.int().min(0).max(MOST_THREADS).nullable().default(null),
    'Worker threads that tokenize; 0: the main thread does; null: 0 on a CPU, else cores less 2, at most 8. Not in Lightning.',
  ),
  enable_progress_bar: key(z.boolean().nullable().default(null), 'false: no progress is shown.'),
  callbacks: key(callbacks.nullable().default(null), 'See the classes below.'),
  max_steps: key(z.int().min(-1).default(-1), 'Most optimizer steps; -1: no limit.', 'fit'),
  max_epochs: count(
    -1,
    'Most passes over the training data; -1: no limit; null: 1000 where nothing else ends the run.',
  ),
  max_time: key(timeSpan.nullable().default(null), 'Longest time.', 'fit'),
  limit_train_batches: limit('How much of an epoch is trained on; null: all.'),
  limit_val_batches: limit('How much of each validation dataset is used; null: all.'),
  limit_test_batches: limit('How many batches of topics re_rank scores of each run, and writes; null: all.', 're_rank'),
  val_check_interval: key(
    batchLimit(1).nullable().default(null),
    "Training batches between validations, or a share of an epoch; null: at the epoch's end.",
    'fit',
  ),
  check_val_every_n_epoch: key(
    z.int().min(1).nullable().default(1),
    'Epochs between validations; null: val_check_interval counts on over epochs.',
    'fit',
  ),
  num_sanity_val_steps: count(-1, 'Batches validated before training; null: 2; -1: all.'),
  log_every_n_steps: count(0, 'Optimizer steps between logged values; null: 50.'),
  accumulate_grad_batches: key(z.int().min(1).default(1), 'Batches of one optimizer step.', 'fit'),
  gradient_clip_val: key(z.number().min(0).nullable().default(null), 'Largest gradient norm, or value.', 'fit'),
  gradient_clip_algorithm: key(
    z.enum(['norm', 'value']).nullable().default(null),
    'What is clipped; null: norm.',
    'fit',
  ),
  token_budget: count(
    1,
    'Tokens computed at a time: memory follows from it, results do not; null: from free memory. Not in Lightning.',
  ),
  non_finite: key(
    z.enum(['stop', 'skip']).default('stop'),
    'When a loss or gradient is NaN or infinite: stop, or leave the step out and count it. Not in Lightning.',
    'fit',
  ),
  default_root_dir: key(
    z.string().min(1).nullable().default(null),
    'Folder for logs and checkpoints; null: the current one.',
    'fit',
  ),
  logger: key(loggers.nullable().default(null), 'null and true: a TensorBoardLogger.', 'fit'),
  enable_checkpointing: flag('false: nothing is saved.'),
  enable_model_summary: flag('false: no summary at the start.'),
  ...onlyDefaults,
  ...allIgnored([
    'strategy',
    'limit_predict_batches',
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
    'enable_autolog_hparams',
    'model_registry',
  ]),
});
