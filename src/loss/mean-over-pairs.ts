import { checkBatch } from './check-batch.js';
import type { Loss } from './loss.js';

/** A function of a pair's margin m = score(better) − score(worse), and its derivative with respect to m. */
export interface PairTerm {
  /** `targetMargin` is target(better) − target(worse), above 0. */
  value(margin: number, targetMargin: number): number;
  slope(margin: number, targetMargin: number): number;
}

/**
 * A loss over pairs: the mean of `term` over all pairs of documents of the same query whose targets differ, so that a
 * query with more such pairs weighs more. A batch without such a pair (one document, all targets equal) has the value
 * and the gradient 0, where lightning-ir divides 0 by 0.
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
