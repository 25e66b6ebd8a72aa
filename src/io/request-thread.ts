import type { Worker } from 'node:worker_threads';
import type { RankDistillmError } from '../errors.js';
import { receivedError, startThread, type SentError } from './thread.js';

export interface RequestMessage<Request> {
  id: number;
  request: Request;
}

/** `ready` comes once, then an answer to each request, in any order. */
export type ReplyMessage<Answer> =
  { type: 'ready' } | { type: 'answer'; id: number; answer: Answer } | { type: 'failed'; id: number; error: SentError };

export interface RequestThreadOptions {
  /** As `startThread` takes it; the program calls `answerRequests`. */
  module: string;
  name: string;
  workerData: unknown;
  /** What is told of a thread that ended by itself, from what it threw. */
  died: (cause: unknown) => RankDistillmError;
}

interface Waiting<Answer> {
  resolve: (answer: Answer) => void;
  reject: (error: RankDistillmError) => void;
}

/**
 * A thread that answers requests. It keeps the process alive while it starts and while it has something to do: a process
 * that ends while a thread of its own begins waits for ever.
 */
export class RequestThread<Request, Answer> {
  /** Once it answers; never where it ends before. */
  readonly ready: Promise<void>;
  /** With the reason, for which all that waited has failed. */
  readonly ended: Promise<RankDistillmError>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting<Answer>>();
  readonly #died: (cause: unknown) => RankDistillmError;
  #setReady!: () => void;
  #setEnded!: (error: RankDistillmError) => void;
  #isReady = false;
  #hasEnded = false;
  #nextId = 0;

  constructor({ module, name, workerData, died }: RequestThreadOptions) {
    this.#died = died;
    this.ready = new Promise((resolve) => (this.#setReady = resolve));
    this.ended = new Promise((resolve) => (this.#setEnded = resolve));
    this.#worker = startThread(module, name, workerData);
    this.#worker.on('message', (reply: ReplyMessage<Answer>) => this.#receive(reply));
    this.#worker.on('error', (cause: unknown) => this.#end(died(cause)));
    this.#worker.on('exit', () => this.#end(died(undefined)));
  }

  /** True once it answers, until it ends. */
  get isReady(): boolean {
    return this.#isReady && !this.#hasEnded;
  }

  /** Requests that wait for their answers. */
  get pending(): number {
    return this.#waiting.size;
  }

  /**
   * @param transfer what of the request moves to the thread instead of being copied
   * @throws RankDistillmError that the thread's answer threw; of `died` or of `close` where it ended
   */
  request(request: Request, transfer: ArrayBuffer[] = []): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, request } satisfies RequestMessage<Request>, transfer);
    });
  }

  /** Ends the thread; what waits fails with the error. */
  async close(error: RankDistillmError = this.#died(undefined)): Promise<void> {
    this.#end(error);
    await this.#worker.terminate();
  }

  #receive(reply: ReplyMessage<Answer>): void {
    // an answer that was on its way when the thread was ended must not let go of the process that waits for its end
    if (this.#hasEnded) return;
    if (reply.type === 'ready') {
      this.#isReady = true;
      this.#setReady();
    } else {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.type === 'answer') waiting?.resolve(reply.answer);
      else waiting?.reject(receivedError(reply.error));
    }
    if (this.#waiting.size === 0) this.#worker.unref();
  }

  #end(error: RankDistillmError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#setEnded(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
