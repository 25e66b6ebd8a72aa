import { logSoftmax } from './log-softmax.js';
import type { Loss } from './loss.js';
import { meanOverQueries } from './mean-over-queries.js';

/**
 * InfoNCE (formerly LocalizedContrastiveEstimation): cross-entropy of the one positive against the whole list, mean
 * over queries. The positive p is the document with the highest target, the first one on ties.
 *
 *   L = − log softmax(s)_p        ∂/∂s_i = softmax(s)_i − [i = p]
 *
 * van den Oord, Li, Vinyals: Representation learning with contrastive predictive coding. 2018, arXiv:1807.03748
 *
 * Values from 0 up; 0 for a list of one document. If all targets of a list are equal, the first document is the
 * positive, as in lightning-ir: exclude such lists from the data, as the sampler `single_relevant` does.
 */
export function infoNCE(): Loss {
  return meanOverQueries('InfoNCE', (scores, targets, gradient) => {
    if (scores.length === 0) return 0;
    const logProbabilities = logSoftmax(scores);
    const positive = targets.reduce((best, target, i) => (target > targets[best]! ? i : best), 0);
    for (let i = 0; i < scores.length; i++) gradient[i] = Math.exp(logProbabilities[i]!);
    gradient[positive]! -= 1;
    return -logProbabilities[positive]!;
  });
}
