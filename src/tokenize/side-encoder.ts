import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { throwIfAborted } from '../errors.js';
import { onAbort } from '../io/on-abort.js';
import { textBatches, type SideIds, type SideTokenizer } from './side-tokenizer.js';

export interface SideEncoderOptions {
  /** Works on this thread. */
  tokenizer: SideTokenizer;
  /** Works elsewhere, on several lists of texts at a time. */
  elsewhere?: ((texts: readonly string[], signal: AbortSignal | undefined) => Promise<SideIds[]>) | undefined;
  cacheBytes: number;
}

/** Fewer texts are done here before another thread has woken up. */
const FEWEST_ELSEWHERE = 32;

/** What an entry of the cache takes besides its ids: key, list links and two objects. */
const ENTRY_BYTES = 320;

/** Texts of one role (query or document) to ids, each text once while the cache remembers it. */
export class SideEncoder {
  readonly #options: SideEncoderOptions;
  /** Keyed by digest: a text as key would stay in memory, and with it the file chunk it was sliced from. */
  readonly #cache: LRUCache<string, SideIds>;

  constructor(options: SideEncoderOptions) {
    this.#options = options;
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
    let at = 0;
    const keys = [...missing];
    for (const encoded of this.#tokenize([...missing.keys()], signal)) {
      for (const side of await untilAborted(encoded, signal)) {
        const [text, key] = keys[at++]!;
        found.set(text, side);
        this.#cache.set(key, side);
      }
      if (pacer.isDue()) await pacer.pause();
    }
    return found;
  }

  /** Like `encode` for one text, with the exact number of its tokens. */
  async encodeWhole(text: string): Promise<SideIds> {
    const side = await this.#options.tokenizer.tokenizeWhole(text);
    this.#cache.set(hash('sha256', text, 'base64'), side);
    return side;
  }

  /** Elsewhere all batches are begun at once, here each when it is asked for: the first that fails is the same. */
  *#tokenize(texts: readonly string[], signal: AbortSignal | undefined): Generator<Promise<SideIds[]>> {
    const { tokenizer, elsewhere } = this.#options;
    const batches = textBatches(texts, (text) => text.length);
    if (elsewhere === undefined || texts.length < FEWEST_ELSEWHERE) {
      for (const batch of batches) yield tokenizer.tokenize(batch, signal);
      return;
    }
    const begun = Array.from(batches, (batch) => elsewhere(batch, signal));
    for (const batch of begun) batch.catch(() => undefined); // reported in its turn, or not at all after an error
    yield* begun;
  }
}

/** Milliseconds of work between two turns of the event loop. */
const TURN_MS = 4;

/** When the event loop last had a turn, for all pacers of the thread: many short calls in a row block it as well. */
let lastTurn = Number.NEGATIVE_INFINITY;

/** Splits long synchronous work so that the event loop stays free: `if (pacer.isDue()) await pacer.pause()`. */
export class Pacer {
  readonly #signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  isDue(): boolean {
    return performance.now() - lastTurn > TURN_MS;
  }

  async pause(): Promise<void> {
    await setImmediate();
    throwIfAborted(this.#signal);
    lastTurn = performance.now();
  }
}

/**
 * The result of `work`, or an `aborted` error as soon as the signal fires; the work then continues and its result is
 * dropped.
 */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  work.catch(() => undefined); // after an abort nobody handles it
  throwIfAborted(signal);
  let forget = (): void => undefined;
  const aborted = new Promise<void>((resolve) => (forget = onAbort(signal, resolve)));
  try {
    await Promise.race([work, aborted]);
  } finally {
    forget();
  }
  throwIfAborted(signal);
  return work;
}
