/** Which documents are scored again: see `refineTop`. */
export interface Refining {
  /** Number of best documents that are wanted. */
  topK: number;
  /** The most that a score is taken to be off; undefined: unknown, so that every document is scored again. */
  bound: number | undefined;
  /** The same documents in the finer arithmetic, by their indices; not finite where that has no score. */
  finer: (indices: readonly number[]) => Promise<ArrayLike<number>>;
}

export interface Refined {
  /** [documents]: finer scores where they were computed, else the given ones. The best `topK` are those of the finer arithmetic. */
  scores: Float32Array;
  /** Indices of the documents that have finer scores, in the order in which they were scored. */
  rescored: number[];
  /** The most that a given score was off. */
  largestError: number;
  /** Scores that were off by more than the bound. Each has raised it for what came after. */
  exceeded: number;
}

/** A bound is this many times the largest error that was seen. */
export const SAFETY = 3;

/**
 * Finds the top K of a finer arithmetic with few of its scores. While a score is known to within the bound only, it
 * stands for an interval. A document is out when K others are certainly better, and in when at most K - 1 others can be
 * as good; those of which neither is certain are scored again, nearest to the cut first, since each score that is known
 * exactly moves the cut's own interval together. An error above the bound proves the bound wrong: it is raised, and
 * what was certain is looked at again.
 *
 * @param given [documents] scores
 */
export async function refineTop(given: ArrayLike<number>, { topK, bound, finer }: Refining): Promise<Refined> {
  const before = Float32Array.from(given); // the caller may write finer scores over what it gave
  const scores = before.slice();
  const isFine = new Uint8Array(scores.length);
  const refined: Refined = { scores, rescored: [], largestError: 0, exceeded: 0 };
  let width = bound ?? Infinity;
  for (;;) {
    const next = nextToScore(scores, isFine, topK, width);
    if (next.length === 0) return refined;
    const found = await finer(next);
    for (const [i, index] of next.entries()) {
      const error = Math.abs(found[i]! - before[index]!);
      if (error > refined.largestError) refined.largestError = error;
      if (error > width) {
        refined.exceeded += 1;
        width = SAFETY * error;
      }
      scores[index] = found[i]!;
      isFine[index] = 1;
      refined.rescored.push(index);
    }
  }
}

/**
 * Documents that are not certain; of those, the ones nearer to the cut than the bound, where there are some. Before
 * anything was scored again at least the two beside the cut, so that every call tests the bound.
 */
function nextToScore(scores: Float32Array, isFine: Uint8Array, topK: number, bound: number): number[] {
  if (topK <= 0 || topK >= scores.length) return [];
  const known = Float64Array.from(scores, (score) => (Number.isNaN(score) ? -Infinity : score));
  // a score that is not finite says nothing about the finer one
  const within = (sign: number): Float64Array =>
    known.map((score, i) => (isFine[i] ? score : Number.isFinite(score) ? score + sign * bound : sign * Infinity));
  const [lower, upper] = [within(-1), within(1)];
  const least = descending(lower)[topK - 1]!;
  const most = descending(upper)[topK]!;
  const order = [...known.keys()].sort((a, b) => known[b]! - known[a]! || a - b);
  const [last, next] = [order[topK - 1]!, order[topK]!];
  const open = order.filter((i) => !isFine[i] && upper[i]! >= least && lower[i]! <= most);
  if (open.length === 0) return isFine.includes(1) ? [] : [last, next];
  const cut = (known[last]! + known[next]!) / 2;
  const near = open.filter((i) => Math.abs(known[i]! - cut) <= bound);
  return near.length > 0 ? near : open;
}

const descending = (values: Float64Array): Float64Array => values.toSorted((a, b) => b - a);
