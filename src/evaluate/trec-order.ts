import { compareUtf8 } from '../io/text.js';

/**
 * The order of trec_eval: by score rounded to float32, descending, then by docid bytes, descending. Ranks in the file
 * are ignored.
 * @returns positions in `docIds`, [documents]
 */
export function trecOrder(docIds: readonly string[], scores: ArrayLike<number>): Uint32Array {
  const keys = Float32Array.from(scores);
  return Uint32Array.from(docIds.keys()).sort((i, j) => {
    const a = keys[i]!;
    const b = keys[j]!;
    return a === b ? compareUtf8(docIds[j]!, docIds[i]!) : b > a ? 1 : -1;
  });
}
