import { compareUtf8 } from '../io/text.js';

/** How a program orders the documents of a topic. All of them ignore the ranks in the file. */
export interface RankOrder {
  /** Whether scores are rounded to float32 first, which makes ties. */
  float32: boolean;
  /** Documents of equal score: by docid bytes, or as the file has them. */
  ties: 'descending' | 'ascending' | 'file';
}

export const TREC_EVAL_ORDER: RankOrder = { float32: true, ties: 'descending' };
/** gdeval.pl of the TREC Web tracks. */
export const GDEVAL_ORDER: RankOrder = { float32: false, ties: 'descending' };
/** What ir_measures gives to MS MARCO's script, and its own order for judgment rates. */
export const MS_MARCO_ORDER: RankOrder = { float32: false, ties: 'ascending' };
/** What ir_measures gives to cwl_eval. */
export const CWL_ORDER: RankOrder = { float32: false, ties: 'file' };

/** @returns positions in `docIds`, best first, [documents] */
export function rankOrder(docIds: readonly string[], scores: ArrayLike<number>, order: RankOrder): Uint32Array {
  const keys = order.float32 ? Float32Array.from(scores) : scores;
  const sign = { descending: -1, ascending: 1, file: 0 }[order.ties];
  return Uint32Array.from(docIds.keys()).sort((i, j) => {
    const [a, b] = [keys[i]!, keys[j]!];
    if (a !== b) return b > a ? 1 : -1;
    return sign === 0 ? i - j : sign * compareUtf8(docIds[i]!, docIds[j]!);
  });
}
