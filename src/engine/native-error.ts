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
  native: 'Report it with the message, the model and `rank-distillm --version`.',
  out_of_memory: 'Free memory on the device, choose a smaller model or precision bf16-mixed, or use another device.',
  closed: 'Load the model again; a closed one cannot be opened.',
};

/** The addon's errors carry a code, some of them a hint; everything else that comes out of it is `native`. */
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
