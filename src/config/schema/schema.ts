import { z } from 'zod';
import { SEEDS } from '../../random/random-stream.js';
import { data, datasetFiles } from './data.js';
import { ignored, key } from './fields.js';
import { model } from './model.js';
import { trainer } from './trainer.js';
import { lrScheduler, optimizer } from './training.js';

/**
 * Everything a configuration may say, in canonical form (`class_path` and `init_args` written out). Names, types,
 * defaults and docs live here and nowhere else; the names and defaults are lightning-ir 0.0.6's.
 */
export const configSchema = z.strictObject({
  seed_everything: key(
    z
      .union([
        z
          .int()
          .min(0)
          .max(SEEDS - 1),
        z.boolean(),
      ])
      .default(true),
    'Seed of what is random: a fresh score head, order, samples, dropout. true: a new one each time.',
  ),
  datasets: key(
    z.record(z.string().min(1), z.strictObject(datasetFiles)).default({}),
    'Id to files; short for RegisterLocalDatasetCallback. Not in lightning-ir.',
  ),
  trainer: key(trainer.prefault({}), 'How it runs.'),
  data: key(data.nullable().default(null), 'What it reads.'),
  model: key(model.nullable().default(null), 'What it scores with.'),
  optimizer: key(optimizer.nullable().default(null), 'What fit steps with.', 'fit'),
  lr_scheduler: key(lrScheduler.nullable().default(null), 'How the learning rate goes.', 'fit'),
  ckpt_path: key(
    z.string().min(1).nullable().default(null),
    "What fit goes on from: a checkpoint's folder, or last. Lightning's .ckpt files are not read.",
  ),
  verbose: ignored(),
});

/** A validated configuration, all defaults filled in. */
export type Config = z.output<typeof configSchema>;
