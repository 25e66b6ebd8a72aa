import type { PackedBatch } from '../../binding.js';
import type { PairTokens } from '../tokenize/pair-tokenizer.js';

/** Concatenated pairs for the engine, and the mapping to the caller's order. */
export interface LengthSortedBatch {
  batch: PackedBatch;
  /** [pairs]: `order[i]` is the caller's index of the engine's sequence i. */
  order: Int32Array;
}

/**
 * Packs pairs without padding, longest first. Pairs of equal length are adjacent, so the engine runs their attention in
 * one call and cuts blocks of even size; the small blocks come last, where idle cores cost least.
 */
export function packByLength(pairs: readonly PairTokens[]): LengthSortedBatch {
  const order = Int32Array.from(pairs.keys());
  const length = (index: number): number => pairs[index]!.inputIds.length;
  order.sort((a, b) => length(b) - length(a) || a - b);

  const cuSeqlens = new Int32Array(pairs.length + 1);
  order.forEach((index, i) => (cuSeqlens[i + 1] = cuSeqlens[i]! + length(index)));
  const tokens = cuSeqlens[pairs.length]!;
  const inputIds = new Int32Array(tokens);
  const tokenTypeIds = new Uint8Array(tokens);
  order.forEach((index, i) => {
    inputIds.set(pairs[index]!.inputIds, cuSeqlens[i]);
    tokenTypeIds.set(pairs[index]!.tokenTypeIds, cuSeqlens[i]);
  });
  return { batch: { inputIds, tokenTypeIds, cuSeqlens }, order };
}

/** Restores the caller's order: result[order[i]] = values[i]. */
export function inCallersOrder(values: Float32Array, order: Int32Array): Float32Array {
  const result = new Float32Array(values.length);
  order.forEach((index, i) => (result[index] = values[i]!));
  return result;
}
