import type { TextPair } from '../tokenize/pair-tokenizer.js';

/** Pairs without duplicates, and the index of each given pair among them. */
export interface DistinctPairs {
  /** In the order of their first occurrence. */
  distinct: TextPair[];
  /** [pairs]: index into `distinct`. */
  of: Int32Array;
}

/** Removes duplicates, because equal pairs have equal scores. */
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
