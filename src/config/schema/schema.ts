import { z } from 'zod';
import { SEEDS } from '../../random/random-stream.js';
import { data, datasetFiles } from './data.js';
import { ignored, key, onlyDefault, ours, withRule } from './fields.js';
import { model } from './model.js';
import { pathText } from './paths.js';
import { fitNeeds, reRankRules, targetRules } from './verb-rules.js';
import { trainer } from './trainer.js';
import { lrScheduler, optimizer } from './training.js';

const seed = z
  .int()
  .min(0)
  .max(SEEDS - 1);

/**
 * Everything a configuration may say, in canonical form (`class_path` and `init_args` written out). Names, types,
 * defaults and docs live here and nowhere else; the names and defaults are lightning-ir 0.0.6's.
 */
export const configSchema = withRule(
  z.strictObject({
    seed_everything: key(
      z.union([seed, z.boolean()]).default(true),
      'Seed of everything random: a fresh score head, order, samples, dropout. true: a new seed each time.',
    ),
    datasets: ours(
      z.record(z.string().min(1), z.strictObject(datasetFiles)).default({}),
      'Files by dataset id; short for RegisterLocalDatasetCallback.',
    ),
    trainer: key(trainer.prefault({}), 'How the verb runs.'),
    data: key(data.nullable().default(null), 'Runs and texts to read.'),
    model: key(model.nullable().default(null), 'Model to score with, or to train.'),
    optimizer: key(optimizer.nullable().default(null), 'Optimizer of fit.', 'fit'),
    lr_scheduler: key(lrScheduler.nullable().default(null), 'Learning-rate schedule of fit.', 'fit'),
    ckpt_path: key(
      pathText().nullable().default(null),
      "Checkpoint folder that fit continues from, or last. Lightning's .ckpt files are not read.",
      'fit',
      {
        what: (path) => {
          if (path === 'best' || path === 'hpc' || path === 'registry') return `"${path}" is not supported`;
          return /\.(?:ckpt|pt|pth)$/.test(path ?? '') ? "Lightning's .ckpt files are not read" : undefined;
        },
        hint: 'Name a checkpoint folder that fit wrote, or last. To start from weights, set model_name_or_path.',
      },
    ),
    weights_only: key(
      z.unknown().optional(),
      'How torch reads a .ckpt file; must be null.',
      'used',
      onlyDefault("Lightning's .ckpt files are not read", 'Remove it, or set it to null.', undefined),
    ),
    verbose: ignored(),
  }),
  'fit',
  function* (config) {
    yield* fitNeeds(config);
    yield* targetRules(config);
  },
);

withRule(configSchema, 're_rank', reRankRules);

/** A validated configuration, all defaults filled in. */
export type Config = z.output<typeof configSchema>;
