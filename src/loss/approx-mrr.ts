import { addScoreGradient, approximateRanks } from './approximate-ranks.js';
import type { Loss } from './loss.js';
import { meanOverQueries } from './mean-over-queries.js';

/**
 * ApproxMRR: 1 minus the reciprocal of the best relevant document's smooth rank r (`approximateRanks`), mean over
 * queries. Targets above 1 count as 1, so all grades from 1 up are equally relevant.
 *
 *   L = 1 − max_i t_i / r_i        ∂/∂r_b = t_b / r_b², b the document of the maximum
 *
 * Qin, Liu, Li, Inf. Retr. 13 (2010), doi:10.1007/s10791-009-9124-x
 *
 * Values from 0 to 1 for targets of at least 0; 1 with gradient 0 for a list without a relevant document. Documents
 * with equal scores and targets that share the maximum split its gradient evenly; lightning-ir uses one of them.
 *
 * @param temperature T of the smooth ranks, divides the scores
 */
export function approxMRR(temperature: number): Loss {
  return meanOverQueries('ApproxMRR', (scores, targets, gradient) => {
    if (scores.length === 0) return 0;
    const ranks = approximateRanks(scores, temperature);
    const relevance = targets.map((target) => Math.min(target, 1));
    const reciprocals = ranks.map((rank, i) => relevance[i]! / rank);
    const best = reciprocals.reduce((at, value, i) => (value > reciprocals[at]! ? i : at), 0);
    const isBest = (i: number) => scores[i] === scores[best] && relevance[i] === relevance[best];
    const sharing = scores.reduce((count, _, i) => count + (isBest(i) ? 1 : 0), 0);
    const slope = relevance[best]! / (ranks[best]! * ranks[best]!) / sharing;
    addScoreGradient(
      scores,
      temperature,
      ranks.map((_, i) => (isBest(i) ? slope : 0)),
      gradient,
    );
    return 1 - reciprocals[best]!;
  });
}
