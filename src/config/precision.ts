import type { ComputePrecision } from '../../binding.js';
import { PRECISION_NAMES } from './schema/engine.js';
import { SettingError, type SettingPath } from './setting-error.js';

/** Lightning's short names. */
const ALIASES: Readonly<Record<string, string>> = {
  '32': '32-true',
  '16': '16-mixed',
  '64': '64-true',
  bf16: 'bf16-mixed',
};

/** Precisions the engine computes in; int8 on CPUs only. */
const PRECISIONS = ['32-true', 'bf16-mixed', 'bf16-true', 'int8'] as const;
export type PrecisionName = (typeof PRECISIONS)[number];

/** @throws SettingError for a precision that does not train */
export function checkTrainingPrecision(precision: PrecisionName, path: SettingPath): void {
  if (precision === '32-true' || precision === 'bf16-mixed') return;
  throw new SettingError(path, `${precision} does not train: AdamW needs float32 weights`, {
    code: 'unsupported',
    hint: 'Use bf16-mixed, which computes in bfloat16 and keeps float32 weights, or 32-true.',
  });
}

/** What the engine calls a precision. */
export function enginePrecision(precision: PrecisionName): ComputePrecision {
  if (precision === 'int8') return 'int8';
  return precision === '32-true' ? 'float32' : 'bfloat16';
}

/**
 * The full name of a precision as Lightning writes it; null is Lightning's default.
 *
 * @param path of the setting, for errors
 * @param device `cpu` or `cuda:N`; undefined where it is not chosen yet: then what some device computes in passes
 */
export function readPrecision(written: string | number | null, path: SettingPath, device?: string): PrecisionName {
  const text = String(written ?? '32-true');
  const name = ALIASES[text] ?? text;
  const found = PRECISIONS.find((precision) => precision === name);
  if (found === 'int8' && device !== undefined && device !== 'cpu') {
    throw new SettingError(path, `precision int8 runs on CPUs, not on ${device}`, {
      code: 'unsupported',
      hint: 'Use bf16-mixed or bf16-true there, or device cpu.',
    });
  }
  if (found) return found;
  if (!PRECISION_NAMES.some((known) => String(known) === name)) {
    throw new SettingError(path, `unknown precision "${text}"`, {
      hint: `Use one of ${PRECISIONS.join(', ')}.`,
    });
  }
  const half = name.startsWith('16');
  throw new SettingError(path, `precision ${text} is not supported`, {
    code: 'unsupported',
    hint: half
      ? 'Use bf16-mixed, which is as fast and has the range of float32, or 32-true.'
      : `Use one of ${PRECISIONS.join(', ')}.`,
  });
}
