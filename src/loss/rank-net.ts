import type { Loss } from './loss.js';
import { meanOverPairs } from './mean-over-pairs.js';

/**
 * RankNet: logistic loss of pairs, mean over all pairs (i, j) of a query with target i > target j.
 *
 *   L = mean log(1 + exp(− τ (s_i − s_j)))        ∂/∂s_i = − τ σ(− τ (s_i − s_j)), ∂/∂s_j the negative of it
 *
 * Burges et al.: Learning to rank using gradient descent. ICML 2005, doi:10.1145/1102351.1102363
 *
 * Values from 0 up; log 2 where all scores are equal; 0 without a pair.
 *
 * @param temperature τ, multiplies the scores (as in lightning-ir: not a divisor)
 */
export function rankNet(temperature: number): Loss {
  return meanOverPairs('RankNet', {
    value(margin) {
      const scaled = temperature * margin;
      return Math.max(-scaled, 0) + Math.log1p(Math.exp(-Math.abs(scaled)));
    },
    slope: (margin) => -temperature / (1 + Math.exp(temperature * margin)),
  });
}
