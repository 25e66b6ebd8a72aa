import type { ForwardResult, GradientSums, NativeTrainer, TrainingBatch } from '../../binding.js';
import { fromNative } from '../engine/native-error.js';
import { packByLength } from '../engine/pack-by-length.js';
import type { PairTokens } from '../tokenize/pair-tokenizer.js';

/** Memory limits. A pass that runs out of memory lowers both limits permanently. */
export interface PassBudget {
  /** Tokens whose activations are held at a time. */
  tokens: number;
  /** Tokens computed together: at most the engine's default. */
  partTokens: number;
}

export interface CachedPass {
  /** [pairs], in the caller's order. */
  scores: Float32Array;
  tokens: number;
  /** FLOPs of the linear layers, including the backward pass and recomputation. */
  linearFlops: number;
  /** 1 pass over the data, or 2 with recomputation. */
  passes: 1 | 2;
}

export interface PassOptions {
  /** Optimizer step, 0-based; dropout masks depend on it. */
  step: number;
  /** Number within the optimizer step of the pair at an index; dropout masks depend on it. Default: the index. */
  numberOf?: ((index: number) => number) | undefined;
  budget: PassBudget;
  /** Over ranks: sums of gradients begin during the last backward of this pass. */
  sums?: GradientSums | undefined;
  /** Called when the device ran out of memory, with the new limit of tokens per part. */
  onHalved?: ((partTokens: number) => void) | undefined;
}

/** Scores [pairs] → dLoss/dScores [pairs], or undefined to add no gradient. */
type LossGradient = (scores: Float32Array) => Float32Array | undefined | Promise<Float32Array | undefined>;

/** Part of a batch, with the caller's indices of its sequences. */
interface Part {
  batch: TrainingBatch;
  /** [sequences] */
  pairs: Int32Array;
}

/**
 * Computes the gradients of a loss over all pairs of a batch in bounded memory (gradient caching, Gao et al. 2021).
 * Scores of different pairs interact only in the loss. So all parts are scored first, the loss gives dLoss/dScores, and
 * each part is computed again, with activations, for its slice of dLoss/dScores. A batch within the budget is computed
 * once. The gradient equals that of the undivided batch up to the order of sums. This includes dropout, as masks depend
 * only on seed, step and pair. Therefore a part that does not fit into the device's memory can be halved and retried.
 */
export function cachedPass(
  native: NativeTrainer,
  pairs: readonly PairTokens[],
  lossGradient: LossGradient,
  options: PassOptions,
): Promise<CachedPass> {
  return new GradientCache(native, pairs, options).run(lossGradient);
}

class GradientCache {
  readonly #native: NativeTrainer;
  readonly #pairs: readonly PairTokens[];
  readonly #options: PassOptions;
  readonly #scores: Float32Array;
  readonly #tokens: number;
  #linearFlops = 0;

  constructor(native: NativeTrainer, pairs: readonly PairTokens[], options: PassOptions) {
    this.#native = native;
    this.#pairs = pairs;
    this.#options = options;
    this.#scores = new Float32Array(pairs.length);
    this.#tokens = pairs.reduce((sum, pair) => sum + pair.inputIds.length, 0);
  }

  async run(lossGradient: LossGradient): Promise<CachedPass> {
    const { parts, kept } = await this.#scoreAll();
    let gradient: Float32Array | undefined;
    try {
      gradient = await lossGradient(this.#scores);
    } catch (error) {
      await this.#discard(kept);
      throw error;
    }
    if (gradient === undefined) {
      await this.#discard(kept);
    } else if (kept.length > 0) {
      await Promise.all(parts.map((part, i) => this.#backward(part, kept[i]!, gradient, part === parts.at(-1))));
    } else {
      for (const part of parts) await this.#computeAgain(part, gradient, part === parts.at(-1));
    }
    return {
      scores: this.#scores,
      tokens: this.#tokens,
      linearFlops: this.#linearFlops,
      passes: kept.length > 0 ? 1 : 2,
    };
  }

  /** `kept` is empty when the batch exceeds the budget. */
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

  async #computeAgain(part: Part, gradient: Float32Array, isLast: boolean): Promise<void> {
    let kept: number;
    try {
      ({ kept } = await this.#forward(part, true));
    } catch (error) {
      this.#halveOrThrow(error, [part]);
      const smaller = this.#cut([...part.pairs]);
      for (const each of smaller) await this.#computeAgain(each, gradient, isLast && each === smaller.at(-1));
      return;
    }
    await this.#backward(part, kept, gradient, isLast);
  }

  async #forward(part: Part, keep: boolean): Promise<ForwardResult> {
    const result = await this.#native.forward(part.batch, this.#options.step, keep);
    this.#linearFlops += result.linearFlops;
    part.pairs.forEach((pair, i) => (this.#scores[pair] = result.scores[i]!));
    return result;
  }

  async #backward(part: Part, kept: number, gradient: Float32Array, isLast: boolean): Promise<void> {
    const slice = Float32Array.from(part.pairs, (pair) => gradient[pair]!);
    const sums = isLast ? this.#options.sums : undefined;
    this.#linearFlops += (await this.#native.backward(kept, slice, sums)).linearFlops;
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

  /** Splits into parts, longest sequences first; a part has at least one sequence. */
  #cut(indices: number[]): Part[] {
    const { budget, numberOf = (index: number) => index } = this.#options;
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
      return { batch: { ...batch, pairs: Uint32Array.from(pairs, numberOf) }, pairs };
    });
  }
}
