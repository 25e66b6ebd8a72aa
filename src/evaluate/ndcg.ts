import type { MeasureFamily } from './measure.js';

/** Sum of grade / log2(rank + 1) over the first `cutoff` ranks; unjudged documents and negative grades count 0. */
function dcg(grades: readonly (number | undefined)[], cutoff: number): number {
  let sum = 0;
  const depth = Math.min(grades.length, cutoff);
  for (let i = 0; i < depth; i++) {
    const grade = grades[i] ?? 0;
    if (grade > 0) sum += grade / Math.log2(i + 2);
  }
  return sum;
}

/**
 * Normalised discounted cumulative gain: DCG@k divided by DCG@k of the ideal ranking of all judged documents, with
 * DCG@k = sum over ranks i = 1..k of grade_i / log2(i + 1). Linear gains and trec_eval's `ndcg` and `ndcg_cut`.
 * Range [0, 1].
 *
 * Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002.
 */
export const ndcg: MeasureFamily = {
  name: 'nDCG',
  aliases: ['NDCG'],
  doc: 'Discounted gain of the grades, against the best order.',
  cutoff: 'optional',
  binary: false,
  compute({ retrieved, judged }, { cutoff }) {
    const ideal = dcg(judged, cutoff);
    return ideal === 0 ? 0 : dcg(retrieved, cutoff) / ideal;
  },
};
