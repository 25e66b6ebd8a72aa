/** A document and the sum of its reciprocal ranks. */
export interface FusedDocument {
  docId: string;
  score: number;
}

/**
 * Reciprocal rank fusion: a document scores the sum of 1 / (k + rank) over the rankings that hold it. Cormack, Clarke and
 * Büttcher, Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods, SIGIR 2009.
 *
 * @param rankings one query's rankings, each a list of document ids, best first
 * @param k how little the first places stand out
 * @returns the union of the rankings, best first, ties by document id
 */
export function fuseRankings(rankings: readonly (readonly string[])[], k: number): FusedDocument[] {
  const scores = new Map<string, number>();
  for (const ranking of rankings) {
    for (const [index, docId] of ranking.entries()) {
      scores.set(docId, (scores.get(docId) ?? 0) + 1 / (k + index + 1));
    }
  }
  return [...scores]
    .map(([docId, score]) => ({ docId, score }))
    .sort((a, b) => b.score - a.score || (a.docId < b.docId ? -1 : 1));
}
