import { logSoftmax } from './log-softmax.js';
import type { Loss } from './loss.js';
import { meanOverQueries } from './mean-over-queries.js';

/**
 * KLDivergence of the softmaxed scores from the softmaxed targets, mean over queries.
 *
 *   L = Σ_i p_i (log p_i − log q_i), p = softmax(t), q = softmax(s)        ∂/∂s_i = q_i − p_i
 *
 * Kullback, Leibler: On information and sufficiency. Ann. Math. Statist. 22 (1951), doi:10.1214/aoms/1177729694
 *
 * Values from 0 up; 0 for a list of one document.
 */
export function klDivergence(): Loss {
  return meanOverQueries('KLDivergence', (scores, targets, gradient) => {
    const found = logSoftmax(scores);
    const wanted = logSoftmax(targets);
    let sum = 0;
    for (let i = 0; i < scores.length; i++) {
      const probability = Math.exp(wanted[i]!);
      sum += probability * (wanted[i]! - found[i]!);
      gradient[i] = Math.exp(found[i]!) - probability;
    }
    return sum;
  });
}
