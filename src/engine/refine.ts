/** Scores that are finer than those before them. */
export interface FinerStage {
  /** The most that a score is taken to be off from the last stage's; 0 in the last. */
  bound: number;
  /** Documents by their indices; not finite where there is no score. */
  score: (indices: readonly number[]) => Promise<ArrayLike<number>>;
}

/** Which documents are scored again: see `refineTop`. */
export interface Refining {
  /** Number of best documents that are wanted. */
  topK: number;
  /** The most that a given score is taken to be off from the last stage's. */
  bound: number;
  /** One or more, each finer than the one before; the last is what counts. */
  stages: readonly FinerStage[];
}

export interface Refined {
  /** [documents]: the finest scores that were computed, else the given ones. The best `topK` are those of the last stage. */
  scores: Float32Array;
  /** Indices of the documents that were scored again, in the order in which they were first. */
  rescored: number[];
  /** How many of them were scored in the last stage. */
  inLast: number;
  /** [stages]: of the given scores, and of those of each stage but the last. */
  errors: ScoreErrors[];
}

interface ScoreErrors {
  /** The most that a score was off from a finer one. */
  largest: number;
  /** Scores that were off by more than the bounds allow. Each has raised the bound for what came after. */
  exceeded: number;
}

/** A bound is this many times the largest error of many that were seen. */
export const SAFETY = 2;

/**
 * Finds the top K of a fine arithmetic with few of its scores. While a score is known to within a bound only, it
 * stands for an interval. A document is out when K others are certainly better, and in when at most K - 1 others can be
 * as good; those of which neither is certain are scored in the next stage, nearest to the cut first, since each score that is
 * known better moves the cut's own interval together. An error above the bound proves the bound wrong: it is raised, and
 * what was certain is looked at again.
 *
 * @param given [documents] scores
 */
export async function refineTop(given: ArrayLike<number>, { topK, bound, stages }: Refining): Promise<Refined> {
  const scores = Float32Array.from(given);
  const state: State = { scores, stage: new Uint8Array(scores.length), bounds: [bound, ...stages.map((s) => s.bound)] };
  const { stage: stageOf, bounds } = state;
  const errors = stages.map((): ScoreErrors => ({ largest: 0, exceeded: 0 }));
  const refined: Refined = { scores, rescored: [], inLast: 0, errors };
  /** [stages][documents]: what was known before each. */
  const earlier = stages.map(() => scores.slice());
  for (;;) {
    const next = nextToScore(state, topK);
    if (next.length === 0) return refined;
    const before = stageOf[next[0]!]!;
    const found = await stages[before]!.score(next);
    if (before + 1 === stages.length) refined.inLast += next.length;
    for (const [i, index] of next.entries()) {
      earlier[before]![index] = scores[index]!;
      for (let of = 0; of <= before; of++) {
        const error = Math.abs(found[i]! - earlier[of]![index]!);
        const off = errors[of]!;
        if (error > off.largest) off.largest = error;
        if (error > bounds[of]! + bounds[before + 1]!) {
          off.exceeded += 1;
          bounds[of] = SAFETY * error;
        }
      }
      scores[index] = found[i]!;
      stageOf[index] = before + 1;
      if (before === 0) refined.rescored.push(index);
    }
  }
}

interface State {
  scores: Float32Array;
  /** [documents]: in which stage each has its score, the given ones being 0. */
  stage: Uint8Array;
  /** [stages + 1] */
  bounds: number[];
}

/**
 * Documents of one stage that are not certain; of those, the ones nearer to the cut than the bound, where there are some. Before
 * anything was scored again at least the two beside the cut, so that every call tests the bound.
 */
function nextToScore({ scores, stage, bounds }: State, topK: number): number[] {
  if (topK <= 0 || topK >= scores.length) return [];
  const last = bounds.length - 1;
  const known = Float64Array.from(scores, (score) => (Number.isNaN(score) ? -Infinity : score));
  // a score that is not finite says nothing about a finer one
  const within = (sign: number): Float64Array =>
    known.map((score, i) => {
      if (stage[i] === last) return score;
      return Number.isFinite(score) ? score + sign * bounds[stage[i]!]! : sign * Infinity;
    });
  const [lower, upper] = [within(-1), within(1)];
  const least = descending(lower)[topK - 1]!;
  const most = descending(upper)[topK]!;
  const order = [...known.keys()].sort((a, b) => known[b]! - known[a]! || a - b);
  const [worstIn, bestOut] = [order[topK - 1]!, order[topK]!];
  const open = order.filter((i) => stage[i] !== last && upper[i]! >= least && lower[i]! <= most);
  if (open.length === 0) return stage.some((of) => of > 0) ? [] : [worstIn, bestOut];
  const cut = (known[worstIn]! + known[bestOut]!) / 2;
  const near = open.filter((i) => Math.abs(known[i]! - cut) <= bounds[stage[i]!]!);
  const candidates = near.length > 0 ? near : open;
  // a coarse score costs least to replace, and may make the finer ones certain
  const first = candidates.reduce((least, i) => Math.min(least, stage[i]!), last);
  return candidates.filter((i) => stage[i] === first);
}

const descending = (values: Float64Array): Float64Array => values.toSorted((a, b) => b - a);
