import type { ComputePrecision } from '../../binding.js';
import { RankDistillmError } from '../errors.js';
import { PRECISION_NAMES } from './schema/trainer.js';

/** Lightning's short names. */
const ALIASES: Readonly<Record<string, string>> = {
  '32': '32-true',
  '16': '16-mixed',
  '64': '64-true',
  bf16: 'bf16-mixed',
};

/** Precisions the CPU engine computes in. */
export const CPU_PRECISIONS = ['32-true', 'bf16-mixed', 'bf16-true', 'int8'] as const;
export type CpuPrecision = (typeof CPU_PRECISIONS)[number];
/** Those that train: AdamW needs float32 weights. */
export const TRAINING_PRECISIONS: readonly CpuPrecision[] = ['32-true', 'bf16-mixed'];

/** What the engine calls a precision. */
export function enginePrecision(precision: CpuPrecision): ComputePrecision {
  if (precision === 'int8') return 'int8';
  return precision === '32-true' ? 'float32' : 'bfloat16';
}

/**
 * The full name of a precision as Lightning writes it; null is Lightning's default.
 *
 * @param where place and key for the error, for example `re-rank.yaml:2: trainer.precision`
 */
export function cpuPrecision(written: string | number | null, where: string): CpuPrecision {
  const text = String(written ?? '32-true');
  const name = ALIASES[text] ?? text;
  const found = CPU_PRECISIONS.find((precision) => precision === name);
  if (found) return found;
  if (!PRECISION_NAMES.some((known) => String(known) === name)) {
    throw new RankDistillmError('bad_input', `${where}: unknown precision "${text}"`, {
      hint: `Use one of ${CPU_PRECISIONS.join(', ')}.`,
    });
  }
  const half = name.startsWith('16');
  throw new RankDistillmError('unsupported', `${where}: precision ${text} does not run on a CPU`, {
    hint: half
      ? 'Use bf16-mixed, which has the range of float32, or 32-true; 16-mixed needs a CUDA device.'
      : `Use one of ${CPU_PRECISIONS.join(', ')}.`,
  });
}
