import { z } from 'zod';
import { cutoff, judgedOnly, measureFamily } from './measure.js';
import { GDEVAL_ORDER, TREC_EVAL_ORDER } from './rank-order.js';

/** Gain of a grade above 0. */
const GAINS = {
  log2: (grade: number) => grade,
  'exp-log2': (grade: number) => 2 ** grade - 1,
};

/** Sum of gain / log2(rank + 1) over the grades; unjudged documents and negative grades count 0. */
function dcg(grades: readonly (number | undefined)[], gain: (grade: number) => number): number {
  let sum = 0;
  grades.forEach((grade = 0, i) => {
    if (grade > 0) sum += gain(grade) / Math.log2(i + 2);
  });
  return sum;
}

/**
 * Normalised discounted cumulative gain: DCG@k divided by DCG@k of the ideal ranking of all judged documents, with
 * DCG@k = sum over ranks i = 1..k of gain(grade_i) / log2(i + 1). Range [0, 1].
 *
 * `log2`: the gain is the grade, trec_eval's `ndcg` and `ndcg_cut` (Järvelin and Kekäläinen, Cumulated gain-based
 * evaluation of IR techniques, TOIS 2002). `exp-log2`: it is 2^grade - 1, as in gdeval.pl (Burges et al., Learning to
 * rank using gradient descent, ICML 2005).
 */
export const ndcg = measureFamily({
  name: 'nDCG',
  aliases: { NDCG: {} },
  doc: 'Discounted gain of the grades, against the best order.',
  forms: ['nDCG', 'nDCG@10', "nDCG(dcg='exp-log2')@10"],
  parameters: {
    cutoff: cutoff.optional(),
    dcg: z.enum(['log2', 'exp-log2']).default('log2'),
    judged_only: judgedOnly,
  },
  at: 'cutoff',
  order: ({ dcg }) => (dcg === 'log2' ? TREC_EVAL_ORDER : GDEVAL_ORDER),
  compute({ retrieved, judged }, parameters) {
    const gain = GAINS[parameters.dcg];
    const ideal = dcg(judged.slice(0, parameters.cutoff), gain);
    return ideal === 0 ? 0 : dcg(retrieved.slice(0, parameters.cutoff), gain) / ideal;
  },
});
