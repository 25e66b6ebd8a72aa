import { availableParallelism } from 'node:os';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { splitPassages, type Passages } from './passages.js';
import { fillPair, longestFirst, type PairTemplate } from './pair-template.js';
import { Pacer, SideEncoder } from './side-encoder.js';
import type { SideIds } from './side-tokenizer.js';
import { isLarge } from './tokenizer-files.js';
import { closedError, TokenizerPool } from './tokenizer-pool.js';
import { openHere, openInThread, type OpenTokenizer, type TokenizerCheckpoint } from './open-tokenizer.js';

/** One query and one document. */
export interface TextPair {
  query: string;
  document: string;
}

/** A pair as the encoder sees it: `[CLS] query [SEP] document [SEP]`. */
export interface PairTokens {
  /** [tokens] */
  inputIds: Int32Array;
  /** [tokens], 0 for query tokens, 1 for document tokens. */
  tokenTypeIds: Uint8Array;
}

export interface EncodedPair extends PairTokens {
  /** Tokens of the query or the document were left out for the model's limits. */
  truncated: boolean;
}

export interface PairTokenizer {
  /** Size of the vocabulary, including added tokens. */
  readonly vocabSize: number;
  /** Length of the longest pair that `encodePairs` returns, including special tokens. */
  readonly maxLength: number;
  /** Length of the longest document side; null where query and document share the pair's. */
  readonly documentLength: number | null;
  /** Number of worker threads; if above 0, concurrent calls are faster than sequential ones. */
  readonly threads: number;
  /**
   * Encodes pairs in the given order. A bounded cache tokenizes each distinct text once. The results of one call share
   * two buffers. Memory grows with the number of pairs: call it for a window of a run, not for a whole run.
   *
   * Lone surrogates count as U+FFFD.
   *
   * @throws RankDistillmError `bad_input` for ids outside the model's vocabulary; `aborted`; `closed`; `native` when a
   *   tokenizer thread died
   */
  encodePairs(pairs: readonly TextPair[], signal?: AbortSignal): Promise<EncodedPair[]>;
  /**
   * Splits a document into passages that fit beside the query, see `splitPassages`.
   *
   * @param overlap tokens that neighbours share, at most half of a passage
   * @param most passages; the rest of the document is left out
   */
  passages(pair: TextPair, overlap: number, most: number): Promise<Passages>;
  /** Ends the threads; unfinished and later calls fail with `closed`. May be called more than once. */
  close(): Promise<void>;
}

export interface PairTokenizerOptions {
  /**
   * Worker threads, started by the first large call. Default 0, which tokenizes on the calling thread unless loading the
   * tokenizer would block it: a tokenizer of more than a megabyte has one thread, from the start.
   */
  threads?: number | undefined;
  /** Receives a sentence when there will be fewer threads. */
  onWarning?: ((message: string) => void) | undefined;
}

/** Queries repeat in consecutive pairs, documents across topics and runs, so documents need the larger cache. */
const QUERY_CACHE_BYTES = 8 * 2 ** 20;
const DOCUMENT_CACHE_BYTES = 32 * 2 ** 20;

/** Loads the tokenizer of a model folder; docs/tokens.md describes the reference behaviour. */
export async function createPairTokenizer(
  checkpoint: TokenizerCheckpoint,
  { threads = 0, onWarning }: PairTokenizerOptions = {},
): Promise<PairTokenizer> {
  const isElsewhere = await isLarge(checkpoint.folder);
  const tokenizer = await (isElsewhere ? openInThread(checkpoint, threads > 1) : openHere(checkpoint));
  const most = threads > 1 ? mostThreads(tokenizer.bytes()) : threads;
  if (threads > most)
    onWarning?.(`tokenizerThreads: ${most} instead of ${threads}, for this machine's cores and memory`);
  return new TemplatePairTokenizer(checkpoint, tokenizer, Math.max(Math.min(threads, most), isElsewhere ? 1 : 0));
}

/** Of a thread, besides its tokenizer: Node.js, and the tables of words. */
const THREAD_BYTES = 32 * 2 ** 20;
/** A tokenizer takes as many times the memory of its description: up to 13 measured, with XLM-RoBERTa's 16 MB. */
const TIMES_DESCRIPTION = 20;

/** More threads than cores tokenize no faster, and all together take up to half of the memory that is left. */
function mostThreads(descriptionBytes: number): number {
  const each = THREAD_BYTES + TIMES_DESCRIPTION * descriptionBytes;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(process.availableMemory() / 2 / each)));
}

class TemplatePairTokenizer implements PairTokenizer {
  readonly vocabSize: number;
  readonly maxLength: number;
  readonly documentLength: number | null;
  readonly threads: number;
  readonly #template: PairTemplate;
  /** Token budget of both sides together. */
  readonly #room: number;
  readonly #left: boolean;
  readonly #prompt: string;
  readonly #pool: TokenizerPool;
  #closed = false;
  /** [texts]: the number of tokens of each. */
  readonly #countTokens: (texts: readonly string[]) => Promise<number[]>;
  readonly #queries: SideEncoder;
  readonly #documents: SideEncoder;

  constructor({ pairEncoding }: TokenizerCheckpoint, tokenizer: OpenTokenizer, threads: number) {
    const { template, lengths } = tokenizer;
    this.vocabSize = tokenizer.vocabSize;
    this.maxLength = pairEncoding.maxLength;
    this.#template = template;
    this.#room = lengths.room;
    this.#left = tokenizer.truncationSide === 'left';
    this.#prompt = pairEncoding.prompt ?? '';
    this.threads = threads;
    this.#pool = new TokenizerPool(threads, () => tokenizer.start(), tokenizer.thread);
    const pool = this.#pool;
    this.documentLength = lengths.document;
    this.#countTokens = async (texts) => {
      const sides = await (tokenizer.here?.document.tokenize(texts) ??
        pool.tokenize({ side: 'document', texts }, undefined));
      return sides.map(({ length }) => length);
    };
    const sideEncoder = (side: 'query' | 'document', cacheBytes: number) =>
      new SideEncoder({
        tokenizer: tokenizer.here?.[side] ?? {
          tokenize: (texts, signal) => pool.tokenize({ side, texts }, signal),
          tokenizeWhole: async (text) => (await pool.tokenize({ side, texts: [text], whole: true }, undefined))[0]!,
        },
        elsewhere: threads === 0 ? undefined : (texts, signal) => pool.tokenize({ side, texts }, signal),
        cacheBytes,
      });
    this.#queries = sideEncoder('query', QUERY_CACHE_BYTES);
    this.#documents = sideEncoder('document', DOCUMENT_CACHE_BYTES);
  }

  async encodePairs(given: readonly TextPair[], signal?: AbortSignal): Promise<EncodedPair[]> {
    throwIfAborted(signal);
    if (this.#closed) throw closedError();
    const pairs = this.#prompt === '' ? given : given.map((pair) => withPrompt(this.#prompt, pair));
    const [queries, documents] = await this.#encodeSides(pairs, signal);
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

  async passages({ query, document }: TextPair, overlap: number, most: number): Promise<Passages> {
    if (this.#closed) throw closedError();
    let tokens = this.documentLength;
    if (tokens === null) {
      const encoded = await this.#queries.encode([this.#prompt + query], undefined);
      const { ids } = encoded.get(this.#prompt + query) as SideIds;
      // a query that leaves less than half of the room is cut, as `longestFirst` does
      tokens = Math.max(Math.floor(this.#room / 2), this.#room - ids.length);
    }
    return splitPassages(document, { tokens, overlap, most, count: this.#countTokens });
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#pool.close();
  }

  async #encodeSides(
    pairs: readonly TextPair[],
    signal: AbortSignal | undefined,
  ): Promise<[queries: Map<string, SideIds>, documents: Map<string, SideIds>]> {
    const queries = this.#queries.encode(textsOf(pairs, 'query'), signal);
    if (this.threads === 0) await queries; // on one thread interleaving gains nothing
    const documents = this.#documents.encode(textsOf(pairs, 'document'), signal);
    documents.catch(() => undefined); // an error of the queries is reported first
    return [await queries, await documents];
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
      const truncated = query.cut || document.cut || first.length < query.length || second.length < document.length;
      const pair = { inputIds: ids.subarray(at, end), tokenTypeIds: types.subarray(at, end), truncated };
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

  /**
   * If both sides overflow an odd token budget, the longer side gets the extra token, so we need both exact lengths.
   */
  #tieNeedsCounting(query: SideIds, document: SideIds): boolean {
    if (this.#room % 2 === 0 || (query.exact && document.exact)) return false;
    return query.length >= this.#room && document.length >= this.#room;
  }

  async #count(pair: TextPair): Promise<readonly [SideIds, SideIds]> {
    return [await this.#queries.encodeWhole(pair.query), await this.#documents.encodeWhole(pair.document)];
  }
}

/** Leaves a query that is not a string unchanged; `textsOf` reports it. */
function withPrompt(prompt: string, { query, document }: TextPair): TextPair {
  return { query: typeof query === 'string' ? prompt + query : query, document };
}

/** The texts of one side, checked, because JavaScript callers may pass anything. */
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
