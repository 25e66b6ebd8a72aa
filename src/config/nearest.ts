import { closest } from 'fastest-levenshtein';

/** A sentence that names the known word nearest to a wrong one. */
export function nearestHint(wrong: string, known: readonly string[], what: string): string {
  if (known.length === 0) return `There is no ${what} to name here.`;
  return `The nearest known ${what} is "${closest(wrong, [...known])}".`;
}
