import type { TextPair } from '../tokenize/pair-tokenizer.js';

/** Pairs without repetitions, and where each of the given ones is among them. */
export interface DistinctPairs {
  /** In the order of their first occurrence. */
  distinct: TextPair[];
  /** [pairs]: index into `distinct`. */
  of: Int32Array;
}

/** Equal pairs have equal scores: each is scored once. */
export function distinctPairs(pairs: readonly TextPair[]): DistinctPairs {
  const distinct: TextPair[] = [];
  const byQuery = new Map<string, Map<string, number>>();
  const of = Int32Array.from(pairs, (pair) => {
    let byDocument = byQuery.get(pair.query);
    if (byDocument === undefined) byQuery.set(pair.query, (byDocument = new Map<string, number>()));
    const known = byDocument.get(pair.document);
    if (known !== undefined) return known;
    byDocument.set(pair.document, distinct.length);
    return distinct.push(pair) - 1;
  });
  return { distinct, of };
}
