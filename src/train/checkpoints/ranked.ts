export interface KeptCheckpoint {
  /** Its folder's name. */
  name: string;
  /** The folder it is in, where that is not the keeper's: an earlier version of the run saved it. */
  folder?: string | undefined;
  step: number;
  /** Value of `monitor`; null: nothing is monitored, or the value is not finite, which ranks last. */
  score: number | null;
}

export type Mode = 'min' | 'max';

/** True when `a` is strictly better than `b`. */
export function isBetter(a: number | null, b: number | null, mode: Mode): boolean {
  if (a === null) return false;
  return b === null || (mode === 'min' ? a < b : a > b);
}

/** Best first; ties oldest first, as in Lightning. */
export function bestFirst(kept: readonly KeptCheckpoint[], mode: Mode): KeptCheckpoint[] {
  return kept.toSorted((a, b) => Number(isBetter(b.score, a.score, mode)) - Number(isBetter(a.score, b.score, mode)));
}

/**
 * Returns the checkpoints that stay beside a new one with `score`, or undefined when the new one is not among the best.
 * If several tie for the worst, the oldest is removed.
 * @param topK how many to keep; -1: all
 */
export function makeRoom(
  kept: readonly KeptCheckpoint[],
  score: number | null,
  topK: number,
  mode: Mode,
): KeptCheckpoint[] | undefined {
  if (topK === -1 || kept.length < topK) return [...kept];
  const [first, ...others] = kept;
  if (first === undefined) return undefined;
  const worst = others.reduce((a, b) => (isBetter(a.score, b.score, mode) ? b : a), first);
  return isBetter(score, worst.score, mode) ? kept.filter((one) => one !== worst) : undefined;
}
