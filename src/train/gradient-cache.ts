import type { NativeTrainer, TrainingBatch } from '../../binding.js';
import { packByLength } from '../pack/pack-by-length.js';
import type { EncodedPair } from '../tokenize/encoded-pair.js';

/** Tokens of a part: enough for the products' rate, few enough to stay near the cores. */
const TOKENS_PER_PART = 4096;

export interface CachedPass {
  /** [pairs], in the caller's order. */
  scores: Float32Array;
  tokens: number;
  /** Multiplications and additions of the linear layers, backward and recomputation included. */
  linearFlops: number;
  /** Parts whose activations were held at a time; 1 pass over the data, or 2 with recomputation. */
  passes: 1 | 2;
}

export interface PassOptions {
  /** Optimizer step, 0-based: names the dropout masks. */
  step: number;
  /** Number of the first pair in the optimizer step; masks are named by pair. */
  firstPair?: number | undefined;
  /** Tokens whose activations are held at a time. */
  tokenBudget: number;
}

/** Part of a batch, with the callers' indices of its sequences. */
interface Part {
  batch: TrainingBatch;
  /** [sequences] */
  pairs: Int32Array;
}

/**
 * Gradients of a loss over all pairs of a batch in memory that `tokenBudget` bounds (gradient caching, Gao et al. 2021):
 * scores of different pairs meet in the loss alone, so all parts are scored, the loss gives dLoss/dScores once, and each
 * part is computed again with its activations and its slice. A batch within the budget is computed once. The gradient is
 * that of the undivided batch up to the order of sums, dropout included: masks follow from seed, step and pair.
 *
 * @param lossGradient scores [pairs] → dLoss/dScores [pairs], or undefined to add no gradient
 */
export async function cachedPass(
  native: NativeTrainer,
  pairs: readonly EncodedPair[],
  lossGradient: (scores: Float32Array) => Float32Array | undefined,
  { step, firstPair = 0, tokenBudget }: PassOptions,
): Promise<CachedPass> {
  const tokens = pairs.reduce((sum, pair) => sum + pair.inputIds.length, 0);
  const parts = cutParts(pairs, Math.min(TOKENS_PER_PART, tokenBudget), firstPair);
  const fits = tokens <= tokenBudget;
  const scores = new Float32Array(pairs.length);
  const pass: CachedPass = { scores, tokens, linearFlops: 0, passes: fits ? 1 : 2 };

  const forward = async (part: Part, keep: boolean): Promise<number> => {
    const result = await native.forward(part.batch, step, keep);
    pass.linearFlops += result.linearFlops;
    part.pairs.forEach((pair, i) => (scores[pair] = result.scores[i]!));
    return result.kept;
  };
  const backward = async (part: Part, kept: number, gradient: Float32Array): Promise<void> => {
    const slice = Float32Array.from(part.pairs, (pair) => gradient[pair]!);
    pass.linearFlops += (await native.backward(kept, slice)).linearFlops;
  };

  const kept = await Promise.all(parts.map((part) => forward(part, fits)));
  const gradient = lossGradient(scores);
  if (gradient === undefined) {
    await Promise.all(kept.filter((name) => name !== 0).map((name) => native.discard(name)));
  } else if (fits) {
    await Promise.all(parts.map((part, i) => backward(part, kept[i]!, gradient)));
  } else {
    for (const part of parts) await backward(part, await forward(part, true), gradient);
  }
  return pass;
}

/** Longest first, as many sequences together as the tokens allow, at least one. */
function cutParts(pairs: readonly EncodedPair[], mostTokens: number, firstPair: number): Part[] {
  const order = [...pairs.keys()].sort((a, b) => pairs[b]!.inputIds.length - pairs[a]!.inputIds.length || a - b);
  const groups: number[][] = [];
  let room = 0;
  for (const index of order) {
    const { length } = pairs[index]!.inputIds;
    if (groups.length === 0 || length > room) {
      groups.push([]);
      room = mostTokens;
    }
    groups.at(-1)!.push(index);
    room -= length;
  }
  return groups.map((group) => {
    const { batch, order: within } = packByLength(group.map((index) => pairs[index]!));
    const indices = Int32Array.from(within, (i) => group[i]!);
    return { batch: { ...batch, pairs: Uint32Array.from(indices, (index) => firstPair + index) }, pairs: indices };
  });
}
