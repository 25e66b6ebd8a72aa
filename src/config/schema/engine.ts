import { z } from 'zod';
import { key, ours } from './fields.js';

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

/** Of the engine, and of the tokenizer. */
const MOST_THREADS = 1024;

/** How a model computes: keys of the trainer, and options wherever the API loads a model. */
export const engineKeys = {
  // A program may have a precision from elsewhere, as text.
  precision: key(
    z.literal(PRECISION_NAMES).nullable().default(null) as unknown as z.ZodDefault<
      z.ZodNullable<z.ZodUnion<[z.ZodString, z.ZodNumber]>>
    >,
    'Precision of the computation; null: 32-true.',
  ),
  tf32: ours(z.boolean().default(false), 'GPUs: compute float32 products on tensor cores: faster, less exact.'),
  memory_fraction: ours(
    z.number().gt(0).max(1).nullable().default(null),
    'GPUs: largest share of the memory to use; null: what is free.',
  ),
  threads: ours(
    z.int().min(1).max(MOST_THREADS).nullable().default(null),
    'Engine threads, for the whole process; null: physical cores, or what the control group allows.',
  ),
  tokenizer_threads: ours(
    z.int().min(0).max(MOST_THREADS).nullable().default(null),
    'Worker threads that tokenize; 0: the main thread does; null: 0 on a CPU, else cores less 2, at most 8.',
  ),
};

/** `EngineOptions` of the API. */
export const engineOptions = z.strictObject({
  device: key(
    z.string().nullable().default('auto'),
    'cpu, cuda, cuda:N or auto: the first GPU where there is one, else the CPU.',
  ),
  ...engineKeys,
});
