/** A checkpoint that is kept. */
export interface KeptCheckpoint {
  /** Its folder's name. */
  name: string;
  step: number;
  /** What `monitor` was; null: not watched, or not finite, which counts as the worst. */
  score: number | null;
}

export type Mode = 'min' | 'max';

/** True when `a` is strictly better than `b`. */
export function isBetter(a: number | null, b: number | null, mode: Mode): boolean {
  if (a === null) return false;
  return b === null || (mode === 'min' ? a < b : a > b);
}

/** The best first; of equals the older, as in Lightning. */
export function bestFirst(kept: readonly KeptCheckpoint[], mode: Mode): KeptCheckpoint[] {
  return kept.toSorted((a, b) => Number(isBetter(b.score, a.score, mode)) - Number(isBetter(a.score, b.score, mode)));
}

/**
 * What is kept when a checkpoint with `score` comes, itself left out; undefined when it is not among the best.
 * Of several worst ones the oldest goes.
 * @param topK places; -1: all
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
