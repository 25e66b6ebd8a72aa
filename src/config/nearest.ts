import { closest, distance } from 'fastest-levenshtein';
import { docsPage } from '../errors.js';

/** The known word that a wrong one may have meant. */
export function nearestOf(wrong: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(wrong, [...known]);
  return distance(wrong, nearest) <= 2 + nearest.length / 4 ? nearest : undefined;
}

/** A sentence that names that word, or all where none is near. */
export function nearestHint(wrong: string, known: readonly string[], what: string, docs = docsPage('cli')): string {
  if (known.length === 0) return `There is no ${what} to name here.`;
  const nearest = nearestOf(wrong, known);
  if (nearest !== undefined) return `The nearest known ${what} is "${nearest}".`;
  return known.length > 16 ? `No known ${what} is like it; see ${docs}.` : `Known: ${known.join(', ')}.`;
}
