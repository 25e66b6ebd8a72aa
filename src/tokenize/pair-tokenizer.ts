import type { Checkpoint } from '../checkpoint/checkpoint.js';
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
   * @throws RankDistillmError `bad_input` for ids outside the model's vocabulary; `aborted`
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
  const { maxLength } = pairEncoding;
  if (maxLength > encoder.maxPositions || maxLength < template.count) {
    throw new RankDistillmError(
      'bad_input',
      `${checkpoint.folder}: pairs of up to ${maxLength} tokens do not fit the model, which has ${encoder.maxPositions} positions ` +
        `(${template.count} tokens of each pair are special ones)`,
      { hint: `Set model_max_length in tokenizer_config.json to ${encoder.maxPositions}.` },
    );
  }
  return new TemplatePairTokenizer(checkpoint, tokenizer, template);
}

class TemplatePairTokenizer implements PairTokenizer {
  readonly vocabSize: number;
  readonly maxLength: number;
  readonly #template: PairTemplate;
  /** Tokens of both sides together. */
  readonly #room: number;
  readonly #left: boolean;
  readonly #queries: SideEncoder;
  readonly #documents: SideEncoder;

  constructor({ pairEncoding, encoder }: TokenizerCheckpoint, tokenizer: LoadedTokenizer, template: PairTemplate) {
    this.vocabSize = tokenizer.native.getVocabSize(true);
    this.maxLength = pairEncoding.maxLength;
    this.#template = template;
    this.#room = pairEncoding.maxLength - template.count;
    this.#left = tokenizer.truncationSide === 'left';
    const roundTrip = new RoundTrip(tokenizer, encoder.vocabSize);
    const side = (length: number | null, cacheBytes: number) =>
      new SideEncoder(tokenizer, {
        limit: length ?? this.#room,
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
    const queries = await this.#queries.encode(textsOf(pairs, 'query'), signal);
    const documents = await this.#documents.encode(textsOf(pairs, 'document'), signal);
    const pacer = new Pacer(signal);
    const sides: [SideIds, SideIds][] = [];
    const kept = new Int32Array(pairs.length * 2);
    let total = 0;
    for (const [i, pair] of pairs.entries()) {
      const query = queries.get(pair.query) as SideIds;
      const document = documents.get(pair.document) as SideIds;
      const both = this.#tieNeedsCounting(query, document) ? await this.#count(pair) : ([query, document] as const);
      const [first, second] = longestFirst(both[0].length, both[1].length, this.#room);
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

  /** When both sides fill an odd room, the longer one gets a token more, so both must be counted to their ends. */
  #tieNeedsCounting(query: SideIds, document: SideIds): boolean {
    if (this.#room % 2 === 0 || (query.exact && document.exact)) return false;
    return query.length >= this.#room && document.length >= this.#room;
  }

  async #count(pair: TextPair): Promise<readonly [SideIds, SideIds]> {
    return [await this.#queries.encodeWhole(pair.query), await this.#documents.encodeWhole(pair.document)];
  }
}

/** The texts of one side, checked as they are walked: callers of JavaScript may pass anything. */
function* textsOf(pairs: readonly TextPair[], side: keyof TextPair): Generator<string> {
  for (const [i, pair] of pairs.entries()) {
    const text: unknown = pair[side];
    if (typeof text !== 'string') {
      const found = text === null ? 'null' : typeof text;
      throw new RankDistillmError('bad_input', `pair ${i + 1}: ${side} is ${found}, not a string`, {
        hint: 'Give every pair a query and a document; an empty string is allowed.',
      });
    }
    yield text;
  }
}
