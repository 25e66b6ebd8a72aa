import { RankDistillmError } from '../errors.js';
import { addScoreGradient, approximateRanks } from './approximate-ranks.js';
import type { Loss } from './loss.js';
import { meanOverQueries } from './mean-over-queries.js';
import { targetRanks } from './target-ranks.js';

/** Lower bound of the ideal DCG, so that a list without gains has nDCG 0. */
const SMALLEST_IDEAL = 1e-12;

/**
 * ApproxNDCG: 1 minus nDCG at the smooth ranks r (`approximateRanks`), mean over queries.
 *
 *   L = 1 − (Σ_i g_i / log2(1 + r_i)) / (Σ_i g_i / log2(1 + R_i)), R the ranks of the targets
 *   ∂/∂r_i = (g_i / ideal) · ln 2 / ((1 + r_i) ln²(1 + r_i))
 *   g_i = 2^t_i − 1, or t_i; targets below 0 count as 0
 *
 * Qin, Liu, Li, Inf. Retr. 13 (2010), doi:10.1007/s10791-009-9124-x; nDCG: Järvelin, Kekäläinen: Cumulated gain-based
 * evaluation of IR techniques. TOIS 20 (2002), doi:10.1145/582415.582418
 *
 * Values from 0 to 1; 1 with gradient 0 for a list without a target above 0.
 *
 * @param temperature T of the smooth ranks, divides the scores
 * @param scaleGains whether gains are 2^t − 1
 * @throws RankDistillmError `bad_input` when the gains overflow
 */
export function approxNDCG(temperature: number, scaleGains: boolean): Loss {
  return meanOverQueries('ApproxNDCG', (scores, targets, gradient, query) => {
    const gains = targets.map((target) => (scaleGains ? 2 ** Math.max(target, 0) - 1 : Math.max(target, 0)));
    const ideal = Math.max(dcg(gains, targetRanks(targets)), SMALLEST_IDEAL);
    if (ideal === Infinity) throw gainsTooLarge(query, targets);
    const ranks = approximateRanks(scores, temperature);
    const rankGradient = ranks.map((rank, i) => {
      const log = Math.log(1 + rank);
      return ((gains[i]! / ideal) * Math.LN2) / ((1 + rank) * log * log);
    });
    addScoreGradient(scores, temperature, rankGradient, gradient);
    return 1 - dcg(gains, ranks) / ideal;
  });
}

function dcg(gains: Float64Array, ranks: Float64Array): number {
  return gains.reduce((sum, gain, i) => sum + gain / Math.log2(1 + ranks[i]!), 0);
}

function gainsTooLarge(query: number, targets: Float64Array): RankDistillmError {
  const largest = targets.reduce((a, b) => Math.max(a, b));
  return new RankDistillmError(
    'bad_input',
    `ApproxNDCG: query ${query} of the batch has the target ${largest}, whose gain 2^${largest} - 1 is too large`,
    { hint: 'Set scale_gains: false, or normalize_targets: true; gains of 2^t - 1 are meant for small grades.' },
  );
}
