import { RankDistillmError } from '../errors.js';

/** Throws `bad_input` that names the argument, what was expected and what came. */
export function badArgument(name: string, expected: string, received: unknown, hint?: string): RankDistillmError {
  const shown = typeof received === 'number' ? String(received) : JSON.stringify(received);
  return new RankDistillmError('bad_input', `${name}: expected ${expected}, received ${shown}`, {
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A whole number of at least `least`, or an error that names it. */
export function wholeNumber(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) throw badArgument(name, `a whole number from ${least}`, value);
  return value;
}

/** A finite number from `least` to `most`, or an error that names it. */
export function numberWithin(name: string, value: number, least: number, most = Number.POSITIVE_INFINITY): number {
  if (!Number.isFinite(value) || value < least || value > most) {
    throw badArgument(
      name,
      most === Number.POSITIVE_INFINITY ? `a number from ${least}` : `a number from ${least} to ${most}`,
      value,
    );
  }
  return value;
}
