import { RankDistillmError, throwIfAborted } from '../errors.js';
import { isPlainBert, type LoadedTokenizer } from './load-tokenizer.js';
import { RoundTrip } from './round-trip.js';
import { WordTokenizer } from './word-tokenizer.js';

/** One side of a pair, without special tokens. */
export interface SideIds {
  /** [tokens], truncated to the side's limit. */
  ids: Int32Array;
  /** Number of tokens before truncation; a lower bound if `exact` is false. */
  length: number;
  exact: boolean;
  /** Tokens were left out for the side's limit. */
  cut: boolean;
}

export interface SideOptions {
  /** Maximum number of tokens. */
  limit: number;
  /** Decode and encode again after truncation, as lightning-ir does. */
  roundTrip: RoundTrip | undefined;
  /** Undefined to tokenize texts as a whole. */
  words: WordTokenizer | undefined;
  /** Ids from here on are refused. */
  vocabSize: number;
}

/** Limits of the two sides of a pair; null for no limit and no round trip of lightning-ir. */
export interface SideLengths {
  query: number | null;
  document: number | null;
  /** Token budget of both sides together. */
  room: number;
  /** Ids from here on are refused. */
  vocabSize: number;
}

export type Sides<T> = Record<'query' | 'document', T>;

/** Characters of a long text read first per token kept. English has 4 to 5 a token. */
const CHARS_PER_TOKEN = 8;
/** Minimum characters read, for small limits. */
const FEWEST_CHARS = 128;
const WINDOW_GROWTH = 8;

/** The tokenizers of queries and of documents, which share one word table. */
export function createSideTokenizers(tokenizer: LoadedTokenizer, lengths: SideLengths): Sides<SideTokenizer> {
  const { room, vocabSize } = lengths;
  const roundTrip = new RoundTrip(tokenizer, vocabSize);
  const words = WordTokenizer.for(tokenizer);
  const side = (length: number | null) =>
    new SideTokenizer(tokenizer, {
      limit: length ?? room,
      roundTrip: length === null ? undefined : roundTrip,
      words,
      vocabSize,
    });
  return { query: side(lengths.query), document: side(lengths.document) };
}

/** Tokenizes the texts of one role (query or document). */
export class SideTokenizer {
  readonly #tokenizer: LoadedTokenizer;
  readonly #options: SideOptions;
  readonly #cuttable: boolean;

  constructor(tokenizer: LoadedTokenizer, options: SideOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#cuttable = isPlainBert(tokenizer);
  }

  /** [texts]: the ids of each. Pass few texts at a time: only calls of the native library yield the thread. */
  tokenize(texts: readonly string[], signal?: AbortSignal): Promise<SideIds[]> {
    const chars = this.#options.limit * CHARS_PER_TOKEN + FEWEST_CHARS;
    return this.#tokenize(texts, this.#cuttable ? chars : Number.POSITIVE_INFINITY, signal);
  }

  /** Like `tokenize` for one text, with its exact number of tokens. */
  async tokenizeWhole(text: string): Promise<SideIds> {
    const [side] = await this.#tokenize([text], Number.POSITIVE_INFINITY);
    return side!;
  }

  async #tokenize(texts: readonly string[], firstWindow: number, signal?: AbortSignal): Promise<SideIds[]> {
    const { limit, roundTrip } = this.#options;
    const results = new Array<SideIds>(texts.length);
    let window = firstWindow;
    let pending = texts.map((_, i) => i);
    while (pending.length > 0) {
      const tooShort: number[] = [];
      for (const batch of textBatches(pending, (i) => Math.min(window, texts[i]!.length))) {
        const pieces = batch.map((i) => cutText(texts[i]!, window));
        const encoded = await this.#native(() => this.#idsOf(pieces));
        throwIfAborted(signal);
        encoded.forEach((ids, at) => {
          const index = batch[at]!;
          const exact = pieces[at]!.length === texts[index]!.length;
          if (!exact && ids.length < limit) tooShort.push(index);
          else results[index] = { ids: this.#keep(ids), length: ids.length, exact, cut: !exact || ids.length > limit };
        });
      }
      pending = tooShort;
      window *= WINDOW_GROWTH;
    }
    if (roundTrip !== undefined) await this.#throughText(results, roundTrip, signal);
    return results;
  }

  async #idsOf(texts: readonly string[]): Promise<Int32Array[]> {
    const ids =
      (await this.#options.words?.tokenize(texts)) ?? new Array<Int32Array | undefined>(texts.length).fill(undefined);
    const whole = texts.filter((_, i) => ids[i] === undefined);
    if (whole.length === 0) return ids as Int32Array[];
    const encodings = await this.#tokenizer.native.encodeBatch(whole, { addSpecialTokens: false });
    let next = 0;
    return ids.map((found) => found ?? Int32Array.from(encodings[next++]!.getIds()));
  }

  async #throughText(results: SideIds[], roundTrip: RoundTrip, signal?: AbortSignal): Promise<void> {
    const changing: SideIds[] = [];
    for (const side of results) {
      // lightning-ir counts the tokens after its truncation
      side.length = side.ids.length;
      side.exact = true;
      if (roundTrip.changes(side.ids)) changing.push(side);
    }
    for (const batch of textBatches(changing, (side) => side.ids.length * CHARS_PER_TOKEN)) {
      const returned = await this.#native(() => roundTrip.run(batch.map((side) => side.ids)));
      throwIfAborted(signal);
      batch.forEach((side, i) => {
        side.ids = returned[i]!;
        side.length = side.ids.length;
        this.#checkIds(side.ids);
      });
    }
  }

  #keep(ids: Int32Array): Int32Array {
    const { limit } = this.#options;
    const start = this.#tokenizer.truncationSide === 'left' ? Math.max(0, ids.length - limit) : 0;
    const kept = ids.length > limit ? ids.slice(start, start + limit) : ids;
    this.#checkIds(kept);
    return kept;
  }

  #checkIds(ids: Int32Array): void {
    const { vocabSize } = this.#options;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]! >>> 0; // the library's ids are unsigned
      if (id >= vocabSize) throw outsideVocabulary(this.#tokenizer, id, vocabSize);
    }
  }

  async #native<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      throw new RankDistillmError(
        'bad_input',
        `${this.#tokenizer.file}: cannot tokenize: ${(cause as Error).message}`,
        {
          hint: 'The tokenizer files do not match each other; download them again.',
          cause,
        },
      );
    }
  }
}

/** The error for a token without an embedding. */
export function outsideVocabulary(tokenizer: LoadedTokenizer, id: number, vocabSize: number): RankDistillmError {
  const token = tokenizer.native.idToToken(id) ?? '';
  return new RankDistillmError(
    'bad_input',
    `${tokenizer.file}: token ${JSON.stringify(token)} has id ${id}, but the model's vocab_size is ${vocabSize}`,
    { hint: 'The tokenizer belongs to another model; copy the tokenizer files of this model into its folder.' },
  );
}

/**
 * White space and punctuation at which plain BERT always splits and that no added token contains. Not `\s`, which
 * includes U+FEFF and form feeds: BERT deletes these and joins the words around them.
 */
const BOUNDARY = /[ \t\n\r.,;:!?。，、]/;

/** Maximum distance from the limit to a boundary. */
const LOOK_BACK = 1024;

/**
 * A prefix of `text` of at most `limit` UTF-16 units, cut at a word boundary; the whole text if it is shorter or has no
 * boundary near the limit.
 */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  for (let at = limit; at > Math.max(0, limit - LOOK_BACK); at--) {
    if (BOUNDARY.test(text[at] as string)) return text.slice(0, at);
  }
  return text;
}

/** Characters per batch: a few milliseconds of work. */
const BATCH_TEXTS = 64;
const BATCH_CHARS = 65_536;

/** Splits items into consecutive batches to tokenize at once. `chars` returns the length of an item. */
export function* textBatches<T>(items: readonly T[], chars: (item: T) => number): Generator<T[]> {
  let batch: T[] = [];
  let total = 0;
  for (const item of items) {
    const size = chars(item);
    if (batch.length > 0 && (batch.length === BATCH_TEXTS || total + size > BATCH_CHARS)) {
      yield batch;
      batch = [];
      total = 0;
    }
    batch.push(item);
    total += size;
  }
  if (batch.length > 0) yield batch;
}
