import { checkBatch } from './check-batch.js';
import type { Loss } from './loss.js';

/**
 * The loss of one query's list.
 *
 * @param scores [docs]
 * @param targets [docs]
 * @param gradient [docs], zeros on entry; receives the derivative with respect to each score
 * @param query index within the batch, for messages
 * @returns the value
 */
export type ListLoss = (scores: Float64Array, targets: Float64Array, gradient: Float64Array, query: number) => number;

/** A loss over lists: the mean of `ofList` over the queries of the batch. */
export function meanOverQueries(name: string, ofList: ListLoss): Loss {
  return {
    name,
    compute(scores, targets) {
      checkBatch(name, scores, targets);
      const { queries, docs } = scores;
      const gradient = new Float64Array(queries * docs);
      let sum = 0;
      for (let query = 0; query < queries; query++) {
        const [from, to] = [query * docs, (query + 1) * docs];
        const row = (values: Float64Array) => values.subarray(from, to);
        sum += ofList(row(scores.values), row(targets.values), row(gradient), query);
      }
      if (queries === 0) return { value: 0, gradient };
      for (let i = 0; i < gradient.length; i++) gradient[i]! /= queries;
      return { value: sum / queries, gradient };
    },
  };
}
