import type { Checkpoint, PairEncoding } from '../checkpoint/checkpoint.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import type { EncodedPair, TextPair } from './encoded-pair.js';
import { loadTokenizer, type LoadedTokenizer } from './load-tokenizer.js';
import { longestFirst } from './longest-first.js';
import { Pacer } from './pacer.js';
import { fillPair, learnPairTemplate, type PairTemplate } from './pair-template.js';
import { RoundTrip } from './round-trip.js';
import { outsideVocabulary, SideEncoder, type SideIds } from './side-encoder.js';

export interface PairTokenizer {
  /** Tokens of the vocabulary, added tokens counted. */
  readonly vocabSize: number;
  /** Tokens of the longest pair that `encodePairs` returns, special tokens counted. */
  readonly maxLength: number;
  /**
   * Encodes pairs in the caller's order. Each distinct text is tokenized once while a bounded cache remembers it. The
   * results of one call share two buffers. Memory grows with the number of pairs: call it for a window of a run, not
   * for a whole run.
   *
   * Lone surrogates count as U+FFFD.
   *
   * @throws RankDistillmError `bad_input` for a pair longer than the model's positions that lightning-ir would not cut
   *   either, and for ids outside the model's vocabulary; `aborted`
   */
  encodePairs(pairs: readonly TextPair[], signal?: AbortSignal): Promise<EncodedPair[]>;
}

/** Queries recur in a row, documents across topics and runs: the cache of documents is the larger one. */
const QUERY_CACHE_BYTES = 8 * 2 ** 20;
const DOCUMENT_CACHE_BYTES = 32 * 2 ** 20;

type TokenizerCheckpoint = Pick<Checkpoint, 'folder' | 'pairEncoding' | 'encoder'>;

/** Loads the tokenizer of a model folder, see docs/tokens.md for what it is faithful to. */
export async function createPairTokenizer(checkpoint: TokenizerCheckpoint): Promise<PairTokenizer> {
  const { pairEncoding, encoder } = checkpoint;
  const tokenizer = await loadTokenizer(checkpoint.folder, pairEncoding.kind);
  const template = await learnPairTemplate(tokenizer);
  for (const id of [...template.before.ids, ...template.between.ids, ...template.after.ids]) {
    if (id >= encoder.vocabSize) throw outsideVocabulary(tokenizer, id, encoder.vocabSize);
  }
  const cut = cutLength(pairEncoding, tokenizer, encoder.maxPositions);
  if (cut !== null && cut < template.count) {
    throw new RankDistillmError('bad_input', `${checkpoint.folder}: pairs are cut to ${cut} tokens, fewer than the ${template.count} special ones`, {
      hint: 'Raise model_max_length in tokenizer_config.json.',
    });
  }
  return new TemplatePairTokenizer(checkpoint, tokenizer, template, cut);
}

/** Tokens that pairs are cut to by longest_first; null where the model is given whole pairs. */
function cutLength(encoding: PairEncoding, tokenizer: LoadedTokenizer, maxPositions: number): number | null {
  if (encoding.kind === 'lightning-ir') return tokenizer.modelMaxLength;
  return Math.min(encoding.maxLength, tokenizer.modelMaxLength ?? maxPositions, maxPositions);
}

class TemplatePairTokenizer implements PairTokenizer {
  readonly vocabSize: number;
  readonly maxLength: number;
  readonly #template: PairTemplate;
  readonly #cut: number | null;
  readonly #maxPositions: number;
  readonly #left: boolean;
  readonly #queries: SideEncoder;
  readonly #documents: SideEncoder;

  constructor(checkpoint: TokenizerCheckpoint, tokenizer: LoadedTokenizer, template: PairTemplate, cut: number | null) {
    const { pairEncoding, encoder } = checkpoint;
    this.vocabSize = tokenizer.native.getVocabSize(true);
    this.maxLength = Math.min(cut ?? encoder.maxPositions, encoder.maxPositions);
    this.#template = template;
    this.#cut = cut;
    this.#maxPositions = encoder.maxPositions;
    this.#left = tokenizer.truncationSide === 'left';
    const roundTrip = new RoundTrip(tokenizer, encoder.vocabSize);
    const side = (length: number | null, cacheBytes: number) =>
      new SideEncoder(tokenizer, {
        limit: length ?? cut ?? encoder.maxPositions,
        roundTrip: length === null ? undefined : roundTrip,
        vocabSize: encoder.vocabSize,
        cacheBytes,
      });
    const own = pairEncoding.kind === 'lightning-ir' ? pairEncoding : { queryLength: null, docLength: null };
    this.#queries = side(own.queryLength, QUERY_CACHE_BYTES);
    this.#documents = side(own.docLength, DOCUMENT_CACHE_BYTES);
  }

  async encodePairs(pairs: readonly TextPair[], signal?: AbortSignal): Promise<EncodedPair[]> {
    throwIfAborted(signal);
    checkTexts(pairs);
    const queries = await this.#queries.encode(pairs.map((pair) => pair.query), signal);
    const documents = await this.#documents.encode(pairs.map((pair) => pair.document), signal);
    const pacer = new Pacer(signal);
    const sides: [SideIds, SideIds][] = [];
    const kept = new Int32Array(pairs.length * 2);
    let total = 0;
    for (const [i, pair] of pairs.entries()) {
      const query = queries.get(pair.query) as SideIds;
      const document = documents.get(pair.document) as SideIds;
      const both = this.#tieNeedsCounting(query, document) ? await this.#count(pair) : ([query, document] as const);
      const [first, second] = this.#keptTokens(i, both[0], both[1]);
      sides.push([both[0], both[1]]);
      kept[2 * i] = first;
      kept[2 * i + 1] = second;
      total += first + second + this.#template.count;
      if (pacer.isDue()) await pacer.pause();
    }
    return this.#join(sides, kept, total, pacer);
  }

  async #join(sides: [SideIds, SideIds][], kept: Int32Array, total: number, pacer: Pacer): Promise<EncodedPair[]> {
    const ids = new Int32Array(total);
    const types = new Uint8Array(total);
    const encoded: EncodedPair[] = [];
    let at = 0;
    for (const [i, [query, document]] of sides.entries()) {
      const first = this.#part(query.ids, kept[2 * i] as number);
      const second = this.#part(document.ids, kept[2 * i + 1] as number);
      const end = at + first.length + second.length + this.#template.count;
      const pair = { inputIds: ids.subarray(at, end), tokenTypeIds: types.subarray(at, end) };
      fillPair(this.#template, first, second, pair.inputIds, pair.tokenTypeIds);
      encoded.push(pair);
      at = end;
      if (pacer.isDue()) await pacer.pause();
    }
    return encoded;
  }

  #part(ids: Int32Array, keep: number): Int32Array {
    return this.#left ? ids.subarray(ids.length - keep) : ids.subarray(0, keep);
  }

  #keptTokens(index: number, query: SideIds, document: SideIds): [first: number, second: number] {
    const { count } = this.#template;
    const [first, second] =
      this.#cut === null ? [query.length, document.length] : longestFirst(query.length, document.length, this.#cut - count);
    if (first + second + count <= this.#maxPositions) return [first, second];
    const atLeast = query.exact && document.exact ? '' : 'at least ';
    throw new RankDistillmError(
      'bad_input',
      `pair ${index + 1}: ${atLeast}${first + second + count} tokens (query ${first}, document ${second}, special ${count}), ` +
        `but the model has ${this.#maxPositions} positions`,
      {
        hint:
          `Choose query_length and doc_length in the model's config so that together they are at most ${this.#maxPositions - count}, ` +
          `or set model_max_length in tokenizer_config.json to ${this.#maxPositions} to cut pairs there.`,
      },
    );
  }

  /** When both sides fill an odd room, the longer one gets a token more, so both must be counted to their ends. */
  #tieNeedsCounting(query: SideIds, document: SideIds): boolean {
    if (this.#cut === null || (query.exact && document.exact)) return false;
    const room = this.#cut - this.#template.count;
    return room % 2 === 1 && query.length >= room && document.length >= room;
  }

  async #count(pair: TextPair): Promise<readonly [SideIds, SideIds]> {
    return [await this.#queries.encodeWhole(pair.query), await this.#documents.encodeWhole(pair.document)];
  }
}

function checkTexts(pairs: readonly TextPair[]): void {
  for (const [i, pair] of pairs.entries()) {
    for (const key of ['query', 'document'] as const) {
      if (typeof pair[key] === 'string') continue;
      throw new RankDistillmError('bad_input', `pair ${i + 1}: ${key} is ${pair[key] === null ? 'null' : typeof pair[key]}, not a string`, {
        hint: 'Give every pair a query and a document; an empty string is allowed.',
      });
    }
  }
}
