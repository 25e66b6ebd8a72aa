import type { ForwardResult, NativeTrainer, TrainingBatch } from '../../binding.js';
import { fromNative } from '../engine/native-error.js';
import { packByLength } from '../engine/pack-by-length.js';
import type { EncodedPair } from '../tokenize/pair-tokenizer.js';

/** What memory allows. A pass that runs out of it lowers both, for itself and those that follow. */
export interface PassBudget {
  /** Tokens whose activations are held at a time. */
  tokens: number;
  /** Tokens computed together: the engine's own choice, or less. */
  partTokens: number;
}

export interface CachedPass {
  /** [pairs], in the caller's order. */
  scores: Float32Array;
  tokens: number;
  /** Multiplications and additions of the linear layers, backward and recomputation included. */
  linearFlops: number;
  /** 1 pass over the data, or 2 with recomputation. */
  passes: 1 | 2;
}

export interface PassOptions {
  /** Optimizer step, 0-based: names the dropout masks. */
  step: number;
  /** Number of the first pair in the optimizer step; masks are named by pair. */
  firstPair?: number | undefined;
  budget: PassBudget;
  /** Hears when a device's memory ran out and parts were halved to so many tokens. */
  onHalved?: ((partTokens: number) => void) | undefined;
}

/** Part of a batch, with the callers' indices of its sequences. */
interface Part {
  batch: TrainingBatch;
  /** [sequences] */
  pairs: Int32Array;
}

/**
 * Gradients of a loss over all pairs of a batch in memory that the budget bounds (gradient caching, Gao et al. 2021):
 * scores of different pairs meet in the loss alone, so all parts are scored, the loss gives dLoss/dScores once, and each
 * part is computed again with its activations and its slice. A batch within the budget is computed once. The gradient is
 * that of the undivided batch up to the order of sums, dropout included: masks follow from seed, step and pair. So a part
 * that a device has no memory for is halved and tried again.
 *
 * @param lossGradient scores [pairs] → dLoss/dScores [pairs], or undefined to add no gradient
 */
export function cachedPass(
  native: NativeTrainer,
  pairs: readonly EncodedPair[],
  lossGradient: (scores: Float32Array) => Float32Array | undefined,
  options: PassOptions,
): Promise<CachedPass> {
  return new GradientCache(native, pairs, options).run(lossGradient);
}

class GradientCache {
  readonly #native: NativeTrainer;
  readonly #pairs: readonly EncodedPair[];
  readonly #options: PassOptions;
  readonly #scores: Float32Array;
  readonly #tokens: number;
  #linearFlops = 0;

  constructor(native: NativeTrainer, pairs: readonly EncodedPair[], options: PassOptions) {
    this.#native = native;
    this.#pairs = pairs;
    this.#options = options;
    this.#scores = new Float32Array(pairs.length);
    this.#tokens = pairs.reduce((sum, pair) => sum + pair.inputIds.length, 0);
  }

  async run(lossGradient: (scores: Float32Array) => Float32Array | undefined): Promise<CachedPass> {
    const { parts, kept } = await this.#scoreAll();
    let gradient: Float32Array | undefined;
    try {
      gradient = lossGradient(this.#scores);
    } catch (error) {
      await this.#discard(kept);
      throw error;
    }
    if (gradient === undefined) {
      await this.#discard(kept);
    } else if (kept.length > 0) {
      await Promise.all(parts.map((part, i) => this.#backward(part, kept[i]!, gradient)));
    } else {
      for (const part of parts) await this.#computeAgain(part, gradient);
    }
    return {
      scores: this.#scores,
      tokens: this.#tokens,
      linearFlops: this.#linearFlops,
      passes: kept.length > 0 ? 1 : 2,
    };
  }

  /** `kept` is empty where the batch does not fit the budget. */
  async #scoreAll(): Promise<{ parts: Part[]; kept: number[] }> {
    const { budget } = this.#options;
    for (;;) {
      const keep = this.#tokens <= budget.tokens;
      const parts = this.#cut([...this.#pairs.keys()]);
      const results = await Promise.allSettled(parts.map((part) => this.#forward(part, keep)));
      const failed = results.find((result) => result.status === 'rejected');
      const kept = results.flatMap((result) => (result.status === 'fulfilled' && keep ? [result.value.kept] : []));
      if (failed === undefined) return { parts, kept };
      await this.#discard(kept);
      this.#halveOrThrow(failed.reason, parts);
    }
  }

  async #computeAgain(part: Part, gradient: Float32Array): Promise<void> {
    let kept: number;
    try {
      ({ kept } = await this.#forward(part, true));
    } catch (error) {
      this.#halveOrThrow(error, [part]);
      for (const smaller of this.#cut([...part.pairs])) await this.#computeAgain(smaller, gradient);
      return;
    }
    await this.#backward(part, kept, gradient);
  }

  async #forward(part: Part, keep: boolean): Promise<ForwardResult> {
    const result = await this.#native.forward(part.batch, this.#options.step, keep);
    this.#linearFlops += result.linearFlops;
    part.pairs.forEach((pair, i) => (this.#scores[pair] = result.scores[i]!));
    return result;
  }

  async #backward(part: Part, kept: number, gradient: Float32Array): Promise<void> {
    const slice = Float32Array.from(part.pairs, (pair) => gradient[pair]!);
    this.#linearFlops += (await this.#native.backward(kept, slice)).linearFlops;
  }

  async #discard(kept: readonly number[]): Promise<void> {
    await Promise.all(kept.map((name) => this.#native.discard(name)));
  }

  #halveOrThrow(error: unknown, parts: readonly Part[]): void {
    const { budget, onHalved } = this.#options;
    if (fromNative(error).code !== 'out_of_memory' || parts.every((part) => part.pairs.length === 1)) throw error;
    const largest = Math.max(...parts.map((part) => part.batch.inputIds.length));
    budget.partTokens = Math.max(1, Math.floor(Math.min(largest, budget.partTokens) / 2));
    budget.tokens = Math.max(1, Math.floor(Math.min(this.#tokens, budget.tokens) / 2));
    onHalved?.(budget.partTokens);
  }

  /** Longest first, as many sequences together as the tokens allow, at least one. */
  #cut(indices: number[]): Part[] {
    const { budget, firstPair = 0 } = this.#options;
    const mostTokens = Math.min(budget.partTokens, budget.tokens);
    const lengthOf = (index: number): number => this.#pairs[index]!.inputIds.length;
    const groups: number[][] = [];
    let room = 0;
    for (const index of indices.sort((a, b) => lengthOf(b) - lengthOf(a) || a - b)) {
      if (groups.length === 0 || lengthOf(index) > room) {
        groups.push([]);
        room = mostTokens;
      }
      groups.at(-1)!.push(index);
      room -= lengthOf(index);
    }
    return groups.map((group) => {
      const { batch, order: within } = packByLength(group.map((index) => this.#pairs[index]!));
      const pairs = Int32Array.from(within, (i) => group[i]!);
      return { batch: { ...batch, pairs: Uint32Array.from(pairs, (index) => firstPair + index) }, pairs };
    });
  }
}
