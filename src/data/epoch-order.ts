import { RankDistillmError } from '../errors.js';
import { RandomStream } from '../random/random-stream.js';
import type { EpochOptions } from './training-records.js';

/** The items of an epoch from `from` on: in their order, or shuffled as (seed, epoch) have it. */
export function epochItems<T>(items: readonly T[], seed: number, { epoch, shuffle, from = 0 }: EpochOptions): T[] {
  checkStart(from, items.length);
  const ordered = shuffle ? new RandomStream({ seed, purpose: 'order', epoch }).shuffle(items) : items;
  return ordered.slice(from);
}

/** An epoch that ended before the place where a run is resumed was made of other data. */
export function checkStart(from: number, size: number): void {
  if (Number.isSafeInteger(from) && from >= 0 && from <= size) return;
  throw new RankDistillmError('bad_input', `cannot go on after ${from} samples of an epoch of ${size}`, {
    hint: 'The data are not those that the checkpoint was made with.',
  });
}
