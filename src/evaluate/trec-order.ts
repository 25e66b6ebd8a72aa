const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

/**
 * Order of two strings by their UTF-8 bytes, as C's strcmp sees them: negative when `a` comes first. JavaScript's own
 * order is by UTF-16 units, which puts characters past U+FFFF before U+E000 to U+FFFF.
 */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xHigh = x >= FIRST_SURROGATE && x <= LAST_SURROGATE;
    const yHigh = y >= FIRST_SURROGATE && y <= LAST_SURROGATE;
    if (xHigh !== yHigh) return xHigh ? 1 : -1;
    return x - y;
  }
  return a.length - b.length;
}

/**
 * The order in which trec_eval reads a topic's documents: score rounded to float32, descending, then docid by bytes,
 * descending. Ranks in the file play no part.
 * @returns positions in `docIds`, [documents]
 */
export function trecOrder(docIds: readonly string[], scores: ArrayLike<number>): Uint32Array {
  const keys = Float32Array.from(scores);
  return Uint32Array.from(docIds.keys()).sort((i, j) => {
    const a = keys[i]!;
    const b = keys[j]!;
    return a === b ? compareBytes(docIds[j]!, docIds[i]!) : b > a ? 1 : -1;
  });
}
