import type { SettingsOf } from '../config/read-settings.js';
import { throwIfAborted } from '../errors.js';
import type { PairTokenizer, TextPair } from '../tokenize/pair-tokenizer.js';
import type { Passages } from '../tokenize/passages.js';
import type { longDocuments } from './cross-encoder-options.js';

interface Splitting {
  /** Undefined: each document is one pair. */
  long: SettingsOf<typeof longDocuments> | undefined;
  tokenizer: PairTokenizer;
  signal: AbortSignal | undefined;
}

/** The pairs of a query with its documents, one for each or one for each passage, and what their scores say of a document. */
export class DocumentPairs {
  /** In the documents' order. */
  readonly pairs: readonly TextPair[];
  /** [documents] */
  readonly #split: readonly Passages[] | undefined;
  /** [documents + 1]: each document's first pair. */
  readonly #first: Int32Array;
  readonly #aggregate: 'max' | 'mean';

  private constructor(
    query: string,
    texts: readonly string[],
    split?: readonly Passages[],
    aggregate?: 'max' | 'mean',
  ) {
    this.pairs = texts.map((document) => ({ query, document }));
    this.#split = split;
    this.#aggregate = aggregate ?? 'max';
    this.#first = new Int32Array((split ?? texts).length + 1);
    for (let i = 1; i < this.#first.length; i++) {
      this.#first[i] = this.#first[i - 1]! + (split?.[i - 1]!.passages.length ?? 1);
    }
  }

  static async of(query: string, documents: readonly string[], { long, tokenizer, signal }: Splitting) {
    if (long === undefined) return new DocumentPairs(query, documents);
    const split: Passages[] = [];
    for (const document of documents) {
      throwIfAborted(signal);
      split.push(await tokenizer.passages({ query, document }, long.overlap, long.maxPassages));
    }
    const texts = split.flatMap(({ passages }) => passages.map(({ text }) => text));
    return new DocumentPairs(query, texts, split, long.aggregate);
  }

  /** The first of a document's pairs, and the one behind its last. */
  placeOf(index: number): [number, number] {
    return [this.#first[index]!, this.#first[index + 1]!];
  }

  /** @param scores [pairs] */
  score(index: number, scores: Float32Array): number {
    const [first, end] = this.placeOf(index);
    if (this.#aggregate === 'max') return scores[this.#best(index, scores)]!;
    return scores.subarray(first, end).reduce((sum, score) => sum + score, 0) / (end - first);
  }

  /**
   * @param scores [pairs]
   * @returns [documents]
   */
  scores(scores: Float32Array): ArrayLike<number> {
    return this.#split?.map((_, index) => this.score(index, scores)) ?? scores;
  }

  /** @param truncated [pairs] */
  isTruncated(index: number, truncated: readonly boolean[]): boolean {
    return this.#split?.[index]!.cut === true || truncated.slice(...this.placeOf(index)).includes(true);
  }

  /** Where the best of a document's passages lies in it; undefined where it is one pair. */
  bestPassage(index: number, scores: Float32Array): { start: number; end: number } | undefined {
    const passages = this.#split?.[index]!.passages ?? [];
    if (passages.length < 2) return undefined;
    const { start, text } = passages[this.#best(index, scores) - this.#first[index]!]!;
    return { start, end: start + text.length };
  }

  /** The best of a document's pairs; NaN is no better than anything. */
  #best(index: number, scores: Float32Array): number {
    const [first, end] = this.placeOf(index);
    let best = first;
    for (let i = first + 1; i < end; i++) if (scores[i]! > scores[best]! || Number.isNaN(scores[best]!)) best = i;
    return best;
  }
}
