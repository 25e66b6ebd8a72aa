import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { throwIfAborted } from '../errors.js';
import { onAbort } from '../io/on-abort.js';
import { textBatches, type SideIds, type SideTokenizer } from './side-tokenizer.js';

export interface SideEncoderOptions {
  /** Tokenizes a few texts. */
  tokenizer: Pick<SideTokenizer, 'tokenize' | 'tokenizeWhole'>;
  /** Tokenizes on worker threads, several lists of texts at a time. */
  elsewhere?: ((texts: readonly string[], signal: AbortSignal | undefined) => Promise<SideIds[]>) | undefined;
  cacheBytes: number;
}

/** Fewer texts than this are tokenized on this thread: waking a worker takes longer. */
const FEWEST_ELSEWHERE = 32;

/** Bytes of a cache entry besides its ids, measured: key, list links, and an array whose memory is outside of the heap. */
const ENTRY_BYTES = 900;

/** Tokenizes the texts of one role (query or document), with a cache. */
export class SideEncoder {
  readonly #options: SideEncoderOptions;
  /** Keyed by digest: a text as key would keep in memory the file chunk that it was sliced from. */
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

  /** Like `encode` for one text, with its exact number of tokens. */
  async encodeWhole(text: string): Promise<SideIds> {
    const side = await this.#options.tokenizer.tokenizeWhole(text);
    this.#cache.set(hash('sha256', text, 'base64'), side);
    return side;
  }

  /** Starts all batches at once on workers, or each on demand on this thread. The first error is the same. */
  *#tokenize(texts: readonly string[], signal: AbortSignal | undefined): Generator<Promise<SideIds[]>> {
    const { tokenizer, elsewhere } = this.#options;
    const batches = textBatches(texts, (text) => text.length);
    if (elsewhere === undefined || texts.length < FEWEST_ELSEWHERE) {
      for (const batch of batches) yield tokenizer.tokenize(batch, signal);
      return;
    }
    const begun = Array.from(batches, (batch) => elsewhere(batch, signal));
    for (const batch of begun) batch.catch(() => undefined); // reported when awaited, or ignored after an earlier error
    yield* begun;
  }
}

/** Milliseconds of work before yielding to the event loop. */
const TURN_MS = 4;

/** Time of the last yield, shared by all pacers of the thread: many short calls in a row also block the event loop. */
let lastTurn = Number.NEGATIVE_INFINITY;

/** Splits long synchronous work to keep the event loop responsive: `if (pacer.isDue()) await pacer.pause()`. */
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
 * The result of `work`, or an `aborted` error as soon as the signal fires; the work then continues in the background.
 */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  work.catch(() => undefined); // unhandled after an abort
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
