import type { Worker } from 'node:worker_threads';
import { RankDistillmError } from '../errors.js';
import { receivedError, startThread, type SentError } from '../io/thread.js';
import type { Place, TextSource } from './text-places.js';

export interface TextRequest {
  id: number;
  docIds: readonly string[];
  /** [documents, 3]: offset, length and line of each; cloning numbers costs less than cloning objects. */
  regions: Float64Array<ArrayBuffer>;
}

/** `ready` comes once, then an answer to each request. */
export type TextReply =
  { type: 'ready' } | { type: 'texts'; id: number; texts: string[] } | { type: 'failed'; id: number; error: SentError };

interface Waiting {
  resolve: (texts: string[]) => void;
  reject: (error: RankDistillmError) => void;
}

const PROGRAM = new URL('./text-worker.js', import.meta.url).href;

/**
 * A thread that fetches a collection's texts. It may wait for the disk, so that a read costs 2 µs instead of the 15 that
 * each promise costs the main thread: at a GPU's rate those alone would keep it busy. It keeps the process alive only
 * while it has something to do. The index stays with the main thread: where a thread ends while LMDB works in it, so does
 * the process.
 */
export class TextThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #ready = false;
  #nextId = 0;
  #ended = false;

  constructor(source: TextSource) {
    this.#worker = startThread(PROGRAM, 'rank-distillm texts', source);
    this.#worker.on('message', (reply: TextReply) => this.#receive(reply));
    this.#worker.on('error', (cause: unknown) => this.#end(died(source.path, cause)));
    this.#worker.on('exit', () => this.#end(died(source.path, undefined)));
  }

  /** True once it answers, until it ends. */
  get isReady(): boolean {
    return this.#ready && !this.#ended;
  }

  /**
   * The texts of places in the file's order, in that order.
   *
   * @throws RankDistillmError as reading on this thread does; `native` when the thread died
   */
  read(places: readonly Place[]): Promise<string[]> {
    const docIds = places.map(({ docId }) => docId);
    const regions = Float64Array.from(places.flatMap(({ offset, length, line }) => [offset, length, line]));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, docIds, regions } satisfies TextRequest, [regions.buffer]);
    });
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#worker.terminate();
  }

  #receive(reply: TextReply): void {
    if (reply.type === 'ready') {
      this.#ready = true;
    } else {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.type === 'texts') waiting?.resolve(reply.texts);
      else waiting?.reject(receivedError(reply.error));
    }
    // not before it is there: a process that ends while a thread of its own begins waits for ever
    if (this.#waiting.size === 0) this.#worker.unref();
  }

  #end(error: RankDistillmError): void {
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function died(path: string, cause: unknown): RankDistillmError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RankDistillmError('native', `${path}: the thread that reads its texts ended${why}`, {
    hint: 'Try again; it may have lacked memory.',
    ...(cause === undefined ? {} : { cause }),
  });
}
