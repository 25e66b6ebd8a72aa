import { z } from 'zod';
import type { TrainingState } from './training-state.js';

const count = z.int().min(0);
const name = z.string().min(1);

const keeper = z.strictObject({
  folder: name,
  kept: z.array(z.strictObject({ name, step: count, score: z.number().nullable() })),
  last: name.nullable(),
  interrupted: name.nullable(),
  obsolete: z.array(name),
  savedStep: count,
  deferred: z.boolean(),
  validated: z.boolean(),
  named: z.strictObject({ name, times: count }).nullable(),
});

const stopper = z.strictObject({
  best: z.number().nullable(),
  waited: count,
  validated: z.boolean(),
  reason: z.string().nullable(),
});

const facts = z.record(
  z.string(),
  z.strictObject({
    value: z.union([z.string(), z.number(), z.boolean(), z.null()]),
    shown: z.string().optional(),
    follows: z.string().optional(),
  }),
);

const run = z.strictObject({ seed: count, tokenBudget: count, fixed: facts, free: facts });

/** TrainingState in a checkpoint; unknown and missing keys are errors. */
export const trainingStateSchema: z.ZodType<TrainingState> = z.strictObject({
  step: count,
  epoch: count,
  batch: count,
  totalBatches: count,
  phase: z.enum(['step', 'validation', 'epoch']),
  seconds: z.number().min(0),
  skippedSteps: count,
  metrics: z.record(z.string(), z.number()),
  keepers: z.array(keeper),
  stoppers: z.array(stopper),
  run,
});
