import { RankDistillmError, type ErrorCode } from '../errors.js';

const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'bad_input',
  'aborted',
  'closed',
  'io',
  'native',
  'unsupported',
  'out_of_memory',
]);

const HINTS: Partial<Record<ErrorCode, string>> = {
  native: 'Report this with the message, the model and the output of `rank-distillm doctor`.',
  out_of_memory: 'Free memory, choose a smaller model or precision bf16-mixed, or use another device.',
  closed: 'Load the model again; a closed model cannot be reopened.',
};

/** Converts an error of the addon. Its errors have a code and sometimes a hint; any other error becomes `native`. */
export function fromNative(error: unknown): RankDistillmError {
  if (error instanceof RankDistillmError) return error;
  const { code, message, hint: own } = error as { code?: unknown; message?: string; hint?: string };
  const known = typeof code === 'string' && CODES.has(code) ? (code as ErrorCode) : 'native';
  const hint = own ?? HINTS[known];
  return new RankDistillmError(known, message ?? String(error), {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
