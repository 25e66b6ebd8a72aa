import type { PeerPair } from './peer-options.js';

/** [rows, columns] each */
export interface PaddedBatch {
  rows: number;
  columns: number;
  inputs: Record<'input_ids' | 'attention_mask' | 'token_type_ids', BigInt64Array>;
}

/** batches.py for contenders that run on Node.js: padded batches, scores in the order of the pairs. */
export async function scoreInBatches(
  pairs: readonly PeerPair[],
  size: number,
  byLength: boolean,
  run: (batch: PaddedBatch) => Promise<ArrayLike<number>>,
): Promise<Float32Array> {
  const order = [...pairs.keys()];
  if (byLength) order.sort((a, b) => pairs[b]!.inputIds.length - pairs[a]!.inputIds.length);
  const scores = new Float32Array(pairs.length);
  for (let start = 0; start < order.length; start += size) {
    const chosen = order.slice(start, start + size);
    const found = await run(padded(chosen.map((i) => pairs[i]!)));
    chosen.forEach((index, i) => (scores[index] = found[i]!));
  }
  return scores;
}

function padded(pairs: readonly PeerPair[]): PaddedBatch {
  const rows = pairs.length;
  const columns = Math.max(...pairs.map(({ inputIds }) => inputIds.length));
  const filled = (values: (pair: PeerPair) => readonly number[]): BigInt64Array => {
    const all = new BigInt64Array(rows * columns);
    pairs.forEach((pair, row) => values(pair).forEach((value, i) => (all[row * columns + i] = BigInt(value))));
    return all;
  };
  return {
    rows,
    columns,
    inputs: {
      input_ids: filled(({ inputIds }) => inputIds),
      attention_mask: filled(({ inputIds }) => inputIds.map(() => 1)),
      token_type_ids: filled(({ tokenTypeIds }) => tokenTypeIds),
    },
  };
}
