import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import type { LoadedTokenizer } from './load-tokenizer.js';
import { cutText } from './cut-text.js';
import { Pacer } from './pacer.js';
import { isPlainBert } from './plain-bert.js';
import type { RoundTrip } from './round-trip.js';

/** One side of a pair, without special tokens of the pair. */
export interface SideIds {
  /** [tokens], cut to the side's limit. */
  ids: Int32Array;
  /** Tokens before the cut to `limit`; a lower bound where `exact` is false. */
  length: number;
  exact: boolean;
}

export interface SideOptions {
  /** Tokens kept. */
  limit: number;
  /** Decode and encode again after the cut, as lightning-ir does. */
  roundTrip: RoundTrip | undefined;
  /** Ids from here on are refused. */
  vocabSize: number;
  cacheBytes: number;
}

/** One call into the native library: some 20 ms of its threads' time, and a millisecond of this thread's. */
const BATCH_TEXTS = 128;
const BATCH_CHARS = 65_536;

/** Characters read for each token kept, before more of a long text is read. English has 4 to 5. */
const CHARS_PER_TOKEN = 8;
const WINDOW_GROWTH = 8;

/** What an entry of the cache takes besides its ids: key, list links and two objects. */
const ENTRY_BYTES = 320;

/** Texts of one role (query or document) to ids, each text once while the cache remembers it. */
export class SideEncoder {
  readonly #tokenizer: LoadedTokenizer;
  readonly #options: SideOptions;
  readonly #cuttable: boolean;
  /** Keyed by digest: a text as key would stay in memory, and with it the file chunk it was sliced from. */
  readonly #cache: LRUCache<string, SideIds>;

  constructor(tokenizer: LoadedTokenizer, options: SideOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#cuttable = isPlainBert(tokenizer);
    this.#cache = new LRUCache<string, SideIds>({
      maxSize: options.cacheBytes,
      sizeCalculation: (entry) => entry.ids.byteLength + ENTRY_BYTES,
    });
  }

  /** Ids for each distinct text. */
  async encode(texts: Iterable<string>, signal: AbortSignal | undefined): Promise<Map<string, SideIds>> {
    const found = new Map<string, SideIds>();
    const missing = new Map<string, string>();
    const pacer = new Pacer(signal);
    for (const text of texts) {
      if (!found.has(text) && !missing.has(text)) {
        const key = hash('sha256', text, 'base64');
        const cached = this.#cache.get(key);
        if (cached === undefined) missing.set(text, key);
        else found.set(text, cached);
      }
      if (pacer.isDue()) await pacer.pause();
    }
    const encoded = await this.#tokenize([...missing.keys()], signal);
    let at = 0;
    for (const [text, key] of missing) {
      const side = encoded[at++] as SideIds;
      found.set(text, side);
      this.#cache.set(key, side);
      if (pacer.isDue()) await pacer.pause();
    }
    return found;
  }

  /** Like `encode` for one text, with the exact number of its tokens. */
  async encodeWhole(text: string): Promise<SideIds> {
    const [side] = await this.#tokenize([text], undefined, Number.POSITIVE_INFINITY);
    this.#cache.set(hash('sha256', text, 'base64'), side);
    return side as SideIds;
  }

  async #tokenize(texts: string[], signal: AbortSignal | undefined, firstWindow?: number): Promise<SideIds[]> {
    const { limit, roundTrip } = this.#options;
    const results = new Array<SideIds>(texts.length);
    let window = firstWindow ?? (this.#cuttable ? limit * CHARS_PER_TOKEN + BATCH_TEXTS : Number.POSITIVE_INFINITY);
    let pending = texts.map((_, i) => i);
    while (pending.length > 0) {
      const tooShort: number[] = [];
      for (const batch of batches(pending, (i) => Math.min(window, (texts[i] as string).length))) {
        const pieces = batch.map((i) => cutText(texts[i] as string, window));
        const encodings = await this.#native(() =>
          this.#tokenizer.native.encodeBatch(pieces, { addSpecialTokens: false }),
        );
        throwIfAborted(signal);
        encodings.forEach((encoding, at) => {
          const index = batch[at] as number;
          const exact = (pieces[at] as string).length === (texts[index] as string).length;
          const ids = encoding.getIds();
          if (!exact && ids.length < limit) tooShort.push(index);
          else results[index] = { ids: this.#keep(ids), length: ids.length, exact };
        });
      }
      pending = tooShort;
      window *= WINDOW_GROWTH;
    }
    if (roundTrip !== undefined) await this.#throughText(results, roundTrip, signal);
    return results;
  }

  async #throughText(results: SideIds[], roundTrip: RoundTrip, signal: AbortSignal | undefined): Promise<void> {
    const pacer = new Pacer(signal);
    const changing: SideIds[] = [];
    for (const side of results) {
      // lightning-ir counts what is left after its cut
      side.length = side.ids.length;
      side.exact = true;
      if (roundTrip.changes(side.ids)) changing.push(side);
      if (pacer.isDue()) await pacer.pause();
    }
    for (const batch of batches(changing, (side) => side.ids.length * CHARS_PER_TOKEN)) {
      const returned = await this.#native(() => roundTrip.run(batch.map((side) => side.ids)));
      throwIfAborted(signal);
      batch.forEach((side, i) => {
        side.ids = returned[i] as Int32Array;
        side.length = side.ids.length;
        this.#checkIds(side.ids);
      });
    }
  }

  #keep(ids: number[]): Int32Array {
    const { limit } = this.#options;
    const start = this.#tokenizer.truncationSide === 'left' ? Math.max(0, ids.length - limit) : 0;
    const kept = new Int32Array(ids.length > limit ? ids.slice(start, start + limit) : ids);
    this.#checkIds(kept);
    return kept;
  }

  #checkIds(ids: Int32Array): void {
    const { vocabSize } = this.#options;
    for (const id of ids) {
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
          hint: 'The tokenizer files do not fit each other; fetch them again from where the model came from.',
          cause,
        },
      );
    }
  }
}

/** The error for a token the encoder has no embedding for. */
export function outsideVocabulary(tokenizer: LoadedTokenizer, id: number, vocabSize: number): RankDistillmError {
  const token = tokenizer.native.idToToken(id) ?? '';
  return new RankDistillmError(
    'bad_input',
    `${tokenizer.file}: token ${JSON.stringify(token)} has id ${id}, but the model's vocab_size is ${vocabSize}`,
    { hint: 'The tokenizer belongs to another model; copy the tokenizer files of this model into its folder.' },
  );
}

function* batches<T>(items: T[], chars: (item: T) => number): Generator<T[]> {
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
