import { checkBatch } from './check-batch.js';
import type { Loss } from './loss.js';

/** A function of the margin m = score(better) − score(worse) of a pair, and its derivative with respect to m. */
export interface PairTerm {
  /** `targetMargin` is target(better) − target(worse), above 0. */
  value(margin: number, targetMargin: number): number;
  slope(margin: number, targetMargin: number): number;
}

/**
 * A pairwise loss: the mean of `term` over all document pairs of a query with different targets, so a query with more
 * such pairs has more weight. A batch without such pairs (one document, or equal targets) has value and gradient 0;
 * lightning-ir divides 0 by 0.
 */
export function meanOverPairs(name: string, term: PairTerm): Loss {
  return {
    name,
    compute(scores, targets) {
      checkBatch(name, scores, targets);
      const { docs, values } = scores;
      const gradient = new Float64Array(values.length);
      let [sum, pairs] = [0, 0];
      for (let first = 0; first < values.length; first++) {
        // documents after this one, within its query
        const end = (Math.floor(first / docs) + 1) * docs;
        for (let second = first + 1; second < end; second++) {
          const difference = targets.values[first]! - targets.values[second]!;
          if (difference === 0) continue;
          const [better, worse] = difference > 0 ? [first, second] : [second, first];
          const margin = values[better]! - values[worse]!;
          const targetMargin = Math.abs(difference);
          const slope = term.slope(margin, targetMargin);
          sum += term.value(margin, targetMargin);
          gradient[better]! += slope;
          gradient[worse]! -= slope;
          pairs++;
        }
      }
      if (pairs === 0) return { value: 0, gradient };
      for (let i = 0; i < gradient.length; i++) gradient[i]! /= pairs;
      return { value: sum / pairs, gradient };
    },
  };
}
