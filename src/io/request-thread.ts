import { parentPort, Worker } from 'node:worker_threads';
import { type ErrorCode, RankDistillmError } from '../errors.js';

interface RequestMessage<Request> {
  id: number;
  request: Request;
}

/** `ready` once, then an answer to each request, in any order. */
type ReplyMessage<Answer> =
  { type: 'ready' } | { type: 'answer'; id: number; answer: Answer } | { type: 'failed'; id: number; error: SentError };

export interface RequestThreadOptions {
  /** URL of the entry point, as for `startThread`; it calls `answerRequests`. */
  module: string;
  name: string;
  workerData: unknown;
  /** Creates the error for a thread that ended unexpectedly, from its cause. */
  died: (cause: unknown) => RankDistillmError;
}

interface Waiting<Answer> {
  resolve: (answer: Answer) => void;
  reject: (error: RankDistillmError) => void;
}

/**
 * A thread that answers requests. It keeps the process alive while it starts and while requests are pending: a process
 * that exits while a thread starts hangs.
 */
export class RequestThread<Request, Answer> {
  /** Called when the thread is ready; never if it ends before. */
  readonly ready: Promise<void>;
  /** Called when the thread has ended, with the error of all pending requests. */
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

  /** True from its first answer until it ends. */
  get isReady(): boolean {
    return this.#isReady && !this.#hasEnded;
  }

  /** Number of pending requests. */
  get pending(): number {
    return this.#waiting.size;
  }

  /**
   * @param transfer parts of the request to transfer instead of copying
   * @throws RankDistillmError from the thread; from `died` or `close` if the thread ended
   */
  request(request: Request, transfer: ArrayBuffer[] = []): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, request } satisfies RequestMessage<Request>, transfer);
    });
  }

  /** Ends the thread; pending requests fail with the error. */
  async close(error: RankDistillmError = this.#died(undefined)): Promise<void> {
    this.#end(error);
    await this.#worker.terminate();
  }

  #receive(reply: ReplyMessage<Answer>): void {
    // ignore late answers after termination: handling one would unref the process before the worker has exited
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

/**
 * The worker side of a `RequestThread`, called once by the entry point. A RankDistillmError is sent to the caller; any
 * other error is a bug in this package and ends the thread.
 *
 * @param transfer parts of an answer to transfer instead of copying
 */
export function answerRequests<Request, Answer>(
  answer: (request: Request) => Answer | Promise<Answer>,
  transfer: (answer: Answer) => ArrayBuffer[] = () => [],
): void {
  const port = parentPort!;
  const reply = (message: ReplyMessage<Answer>, moved: ArrayBuffer[] = []): void => port.postMessage(message, moved);
  const take = async ({ id, request }: RequestMessage<Request>): Promise<void> => {
    try {
      const found = await answer(request);
      reply({ type: 'answer', id, answer: found }, transfer(found));
    } catch (error) {
      if (!(error instanceof RankDistillmError)) throw error;
      reply({ type: 'failed', id, error: sentError(error) });
    }
  };
  port.on('message', (message: RequestMessage<Request>) => void take(message));
  reply({ type: 'ready' });
}

/** A RankDistillmError as a message between threads: structured cloning keeps only the message text. */
interface SentError {
  code: ErrorCode;
  message: string;
  hint: string | undefined;
  cause: unknown;
}

/**
 * Starts a thread that runs a module of this package.
 *
 * @param module its URL, with the suffix of imports: `new URL('./x.js', import.meta.url).href`
 */
function startThread(module: string, name: string, workerData: unknown): Worker {
  // a data: URL, because a thread inherits --input-type from `node --input-type=module -e`, which refuses files
  const url = new URL(`data:text/javascript,${encodeURIComponent(programOf(module))}`);
  return new Worker(url, { workerData, name });
}

/** The program of a thread or a child process that runs a module of this package. */
export function programOf(module: string): string {
  const start = `await import(${JSON.stringify(module)});`;
  if (!import.meta.url.endsWith('.ts')) return start;
  // under tsx, which does not register itself in threads
  return `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register(); ${start}`;
}

function sentError({ code, message, hint, cause }: RankDistillmError): SentError {
  return { code, message, hint, cause };
}

function receivedError({ code, message, hint, cause }: SentError): RankDistillmError {
  return new RankDistillmError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
