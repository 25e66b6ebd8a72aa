import type { Loss } from './loss.js';
import { meanOverQueries } from './mean-over-queries.js';

/** torch's cosine_similarity clamps norms to this value; a list with a smaller norm is constant up to rounding. */
const SMALLEST_NORM = 1e-8;

/**
 * PearsonCorrelation: 1 minus the correlation of scores and targets within a list, mean over queries.
 *
 *   L = 1 − c, c = x̂ · ŷ, with x̂ and ŷ the centred scores and targets divided by their norms
 *   ∂/∂s_i = − (ŷ_i − c x̂_i) / |x|
 *
 * Pearson: Notes on regression and inheritance in the case of two parents. Proc. R. Soc. Lond. 58 (1895)
 *
 * Values from 0 to 2. A list with constant scores or targets (or with one document) has no correlation: its value is 1,
 * as in lightning-ir, and its gradient 0. If only the scores are constant, lightning-ir's gradient is ŷ · 10⁸.
 */
export function pearsonCorrelation(): Loss {
  return meanOverQueries('PearsonCorrelation', (scores, targets, gradient) => {
    const [x, y] = [centred(scores), centred(targets)];
    const [xNorm, yNorm] = [norm(x), norm(y)];
    if (xNorm < SMALLEST_NORM || yNorm < SMALLEST_NORM) return 1;
    let correlation = 0;
    for (let i = 0; i < x.length; i++) correlation += (x[i]! / xNorm) * (y[i]! / yNorm);
    for (let i = 0; i < x.length; i++) {
      gradient[i] = -(y[i]! / yNorm - (correlation * x[i]!) / xNorm) / xNorm;
    }
    return 1 - correlation;
  });
}

/** Averages the differences from the first value, so that equal values give exact zeros. */
function centred(values: Float64Array): Float64Array {
  const first = values[0] ?? 0;
  const mean = first + values.reduce((sum, value) => sum + (value - first), 0) / values.length;
  return values.map((value) => value - mean);
}

function norm(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}
