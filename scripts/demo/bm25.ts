export interface SearchHit {
  /** Position in the collection. */
  index: number;
  score: number;
}

/** Words in lower case; digits count as letters. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/**
 * BM25 as Lucene scores it, without stemming or stop words: sum over the query's words of
 * ln(1 + (N - n + 0.5) / (n + 0.5)) * tf / (tf + k1 * (1 - b + b * length / average length)).
 * Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009. For the few thousand passages
 * of the demo; k1 and b are those of the common baselines on MS MARCO.
 */
export class Bm25 {
  readonly #postings = new Map<string, { index: number; frequency: number }[]>();
  readonly #lengths: number[];
  readonly #averageLength: number;

  constructor(
    texts: readonly string[],
    readonly k1 = 0.9,
    readonly b = 0.4,
  ) {
    const documents = texts.map(wordsOf);
    this.#lengths = documents.map((words) => words.length);
    this.#averageLength = this.#lengths.reduce((sum, length) => sum + length, 0) / texts.length;
    for (const [index, words] of documents.entries()) {
      const counts = new Map<string, number>();
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
      for (const [word, frequency] of counts) {
        const postings = this.#postings.get(word);
        if (postings) postings.push({ index, frequency });
        else this.#postings.set(word, [{ index, frequency }]);
      }
    }
  }

  /** The best `depth` texts that share a word with the query, ties by position. */
  search(query: string, depth: number): SearchHit[] {
    const scores = new Map<number, number>();
    for (const word of wordsOf(query)) {
      const postings = this.#postings.get(word) ?? [];
      const rarity = Math.log(1 + (this.#lengths.length - postings.length + 0.5) / (postings.length + 0.5));
      for (const { index, frequency } of postings) {
        const norm = this.k1 * (1 - this.b + (this.b * this.#lengths[index]!) / this.#averageLength);
        scores.set(index, (scores.get(index) ?? 0) + (rarity * frequency) / (frequency + norm));
      }
    }
    return [...scores]
      .map(([index, score]) => ({ index, score }))
      .sort((x, y) => y.score - x.score || x.index - y.index)
      .slice(0, depth);
  }
}
