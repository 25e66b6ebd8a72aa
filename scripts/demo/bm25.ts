export interface SearchHit {
  /** Position in the collection. */
  index: number;
  score: number;
}

/** Words in lower case; digits count as letters. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/**
 * BM25 as Lucene scores it, without stemming or stop words: sum over the query's words of
 * ln(1 + (N - n + 0.5) / (n + 0.5)) * tf / (tf + k1 * (1 - b + b * length / average length)).
 * Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009. For the few thousand passages
 * of the demo; k1 and b are those of the common baselines on MS MARCO.
 */
export class Bm25 {
  /** By word: where it occurs, and how much that is worth apart from the word's rarity. */
  readonly #postings = new Map<string, { index: number; weight: number }[]>();
  /** One score per text, 0 between searches: an array adds up far faster than a map. */
  readonly #scores: Float64Array;

  constructor(
    texts: readonly string[],
    readonly k1 = 0.9,
    readonly b = 0.4,
  ) {
    const documents = texts.map(wordsOf);
    const averageLength = documents.reduce((sum, words) => sum + words.length, 0) / texts.length;
    this.#scores = new Float64Array(texts.length);
    for (const [index, words] of documents.entries()) {
      const norm = this.k1 * (1 - this.b + (this.b * words.length) / averageLength);
      const counts = new Map<string, number>();
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
      for (const [word, frequency] of counts) {
        const posting = { index, weight: frequency / (frequency + norm) };
        const postings = this.#postings.get(word);
        if (postings) postings.push(posting);
        else this.#postings.set(word, [posting]);
      }
    }
  }

  /** The best `depth` texts that share a word with the query, ties by position. */
  search(query: string, depth: number): SearchHit[] {
    const found: number[] = [];
    for (const word of wordsOf(query)) {
      const postings = this.#postings.get(word) ?? [];
      const rarity = Math.log(1 + (this.#scores.length - postings.length + 0.5) / (postings.length + 0.5));
      for (const { index, weight } of postings) {
        if (this.#scores[index] === 0) found.push(index);
        this.#scores[index]! += rarity * weight;
      }
    }
    const hits = found.map((index) => ({ index, score: this.#scores[index]! }));
    this.#scores.fill(0);
    // sorting numbers is quick, so that few objects are left to be sorted
    const least =
      Float64Array.from(hits, ({ score }) => score)
        .sort()
        .at(-depth) ?? 0;
    return hits
      .filter(({ score }) => score >= least)
      .sort((x, y) => y.score - x.score || x.index - y.index)
      .slice(0, depth);
  }
}
