import { closest, distance } from 'fastest-levenshtein';
import { docsPage } from '../errors.js';

/** A sentence that names the known word that a wrong one may have meant, or all where none is near. */
export function nearestHint(wrong: string, known: readonly string[], what: string, docs = docsPage('cli')): string {
  if (known.length === 0) return `There is no ${what} to name here.`;
  const nearest = closest(wrong, [...known]);
  if (distance(wrong, nearest) <= 2 + nearest.length / 4) return `The nearest known ${what} is "${nearest}".`;
  return known.length > 16 ? `No known ${what} is like it; see ${docs}.` : `Known: ${known.join(', ')}.`;
}
