import type { RunEntry } from './records.js';

/** Entries with the lines they stand on, or any other pairing. */
export interface PlacedEntry {
  entry: RunEntry;
  line: number;
}

/**
 * The documents of a topic that are used, as lightning-ir's RunDataset chooses them: rank in the file at most `depth`, in
 * the order of the ranks (ties in file order), the first `sampleSize` of them; none when there are fewer than that.
 */
export function selectTop(entries: PlacedEntry[], depth: number, sampleSize: number): PlacedEntry[] {
  const within = depth === -1 ? entries.slice() : entries.filter(({ entry }) => entry.rank <= depth);
  within.sort((a, b) => a.entry.rank - b.entry.rank);
  if (sampleSize === -1) return within;
  return within.length < sampleSize ? [] : within.slice(0, sampleSize);
}
