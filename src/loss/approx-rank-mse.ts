import { addScoreGradient, approximateRanks } from './approximate-ranks.js';
import type { Loss } from './loss.js';
import { meanOverQueries } from './mean-over-queries.js';
import { targetRanks } from './target-ranks.js';

export type RankDiscount = 'log2' | 'reciprocal' | null;

/**
 * ApproxRankMSE: squared error of the smooth ranks r (`approximateRanks`) against the ranks R of the targets, mean over
 * documents and queries.
 *
 *   L = mean w_i (r_i − R_i)²        ∂/∂r_i = 2 w_i (r_i − R_i) / docs
 *   w_i = 1, or 1 / log2(R_i + 1), or 1 / R_i
 *
 * Schlatt et al.: Rank-DistiLLM: closing the effectiveness gap between cross-encoders and LLMs for passage re-ranking.
 * ECIR 2025, doi:10.1007/978-3-031-88714-7_31
 *
 * Values from 0 to docs²; 0 for a list of one document. Equal targets get different ranks, in list order.
 *
 * @param temperature T of the smooth ranks, divides the scores
 * @param discount weight w of a document by the rank of its target
 */
export function approxRankMSE(temperature: number, discount: RankDiscount): Loss {
  return meanOverQueries('ApproxRankMSE', (scores, targets, gradient) => {
    const ranks = approximateRanks(scores, temperature);
    const wanted = targetRanks(targets);
    const rankGradient = new Float64Array(ranks.length);
    let sum = 0;
    for (let i = 0; i < ranks.length; i++) {
      const error = ranks[i]! - wanted[i]!;
      const weight = weightOf(wanted[i]!, discount) / ranks.length;
      sum += weight * error * error;
      rankGradient[i] = 2 * weight * error;
    }
    addScoreGradient(scores, temperature, rankGradient, gradient);
    return sum;
  });
}

function weightOf(rank: number, discount: RankDiscount): number {
  if (discount === 'log2') return 1 / Math.log2(rank + 1);
  return discount === 'reciprocal' ? 1 / rank : 1;
}
