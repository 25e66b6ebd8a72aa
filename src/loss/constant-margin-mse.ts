import type { Loss } from './loss.js';
import { meanOverPairs } from './mean-over-pairs.js';

/**
 * ConstantMarginMSE: squared error of the scores' difference against one margin, mean over all pairs (i, j) of a query
 * with target i > target j.
 *
 *   L = mean ((s_i − s_j) − m)²        ∂/∂s_i = 2 ((s_i − s_j) − m), ∂/∂s_j the negative of it
 *
 * After Hofstätter et al., arXiv:2010.02666, with a margin in place of the teacher's.
 *
 * Values from 0 up; 0 without a pair.
 *
 * @param wanted m, in units of the scores
 */
export function constantMarginMSE(wanted: number): Loss {
  return meanOverPairs('ConstantMarginMSE', {
    value: (margin) => (margin - wanted) ** 2,
    slope: (margin) => 2 * (margin - wanted),
  });
}
