import { z } from 'zod';
import { measureFamily, rel } from './measure.js';
import { CWL_ORDER } from './rank-order.js';

/** cwl_eval looks at so many documents, and its weights sum to 1 over them. */
const DEPTH = 1000;

/**
 * Rank-biased precision: the expected relevance of a document that a reader sees, who goes from each rank to the next
 * with probability p. cwl_eval's, as ir_measures: the weights p^(i-1) of the first 1,000 ranks sum to 1. Range [0, 1].
 *
 * Moffat and Zobel, Rank-biased precision for measurement of retrieval effectiveness, TOIS 2008.
 */
export const rankBiasedPrecision = measureFamily({
  name: 'RBP',
  doc: 'Share of relevant documents that a reader sees who goes on with probability p (default 0.8).',
  forms: ['RBP(rel=1)', 'RBP(rel=2,p=0.95)'],
  parameters: { p: z.number().min(0).max(1).default(0.8), rel },
  order: () => CWL_ORDER,
  compute({ retrieved }, { p, rel }) {
    let weight = 1;
    let all = 0;
    let relevant = 0;
    for (let i = 0; i < DEPTH; i++, weight *= p) {
      all += weight;
      if ((retrieved[i] ?? 0) >= rel) relevant += weight;
    }
    return relevant / all;
  },
});
