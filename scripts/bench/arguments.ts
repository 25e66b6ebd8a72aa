import { SetupError } from '../lib/say.mjs';

/** A number of the command line. */
export function positiveNumber(option: string, value: string): number {
  const number = Number(value);
  if (number > 0) return number;
  throw new SetupError(`--${option}: expected a number above 0, received "${value}"`);
}

/** A count of the command line. */
export function wholeNumber(option: string, value: string): number {
  const number = Number(value);
  if (number > 0 && Number.isSafeInteger(number)) return number;
  throw new SetupError(`--${option}: expected a whole number above 0, received "${value}"`);
}

/** The same of any number where the option may be left out. */
export function positiveNumberIfGiven(option: string, value: string | undefined): number | undefined {
  return value === undefined ? undefined : positiveNumber(option, value);
}

/** The words after `--only`, quoted together or not. */
export function wordsOf(only: readonly string[], positionals: readonly string[]): string[] {
  return [...only, ...positionals].flatMap((text) => text.split(/\s+/)).filter((word) => word !== '');
}
