import type { Loss } from './loss.js';
import { meanOverPairs } from './mean-over-pairs.js';

/**
 * SupervisedMarginMSE: squared error of the scores' difference against the targets' difference, mean over all pairs
 * (i, j) of a query with target i > target j.
 *
 *   L = mean ((s_i − s_j) − (t_i − t_j))²        ∂/∂s_i = 2 ((s_i − s_j) − (t_i − t_j)), ∂/∂s_j the negative of it
 *
 * Hofstätter et al.: Improving efficient neural ranking models with cross-architecture knowledge distillation. 2020,
 * arXiv:2010.02666
 *
 * Values from 0 up; 0 without a pair.
 */
export function supervisedMarginMSE(): Loss {
  return meanOverPairs('SupervisedMarginMSE', {
    value: (margin, targetMargin) => (margin - targetMargin) ** 2,
    slope: (margin, targetMargin) => 2 * (margin - targetMargin),
  });
}
