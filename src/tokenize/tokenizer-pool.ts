import { abortedError, RankDistillmError } from '../errors.js';
import { RequestThread } from '../io/request-thread.js';
import type { OpenedTokenizer, TokenizerPlace } from './open-tokenizer.js';
import type { SideIds, SideLengths, Sides } from './side-tokenizer.js';

/** Start data of a thread; without them its first request is to open a tokenizer. */
export interface TokenizerStart {
  /** `TokenizerDescription` as JSON, in UTF-8 where threads share it. */
  description: string | SharedArrayBuffer;
  lengths: SideLengths;
}

interface TextsRequest {
  side: keyof Sides<unknown>;
  texts: readonly string[];
  /** Count all tokens of each text. */
  whole?: boolean;
}

export type TokenizerRequest = TextsRequest | { open: TokenizerPlace };
export type TokenizerAnswer = PackedSides | OpenedTokenizer;

interface Job {
  request: TextsRequest;
  signal: AbortSignal | undefined;
  resolve: (sides: SideIds[]) => void;
  reject: (error: RankDistillmError) => void;
}

export type TokenizerThread = RequestThread<TokenizerRequest, TokenizerAnswer>;

const PROGRAM = new URL('./tokenizer-worker.js', import.meta.url).href;
/** Requests sent to a thread: one in work and one queued. The others wait here, where they can be cancelled. */
const JOBS_PER_WORKER = 2;

/** Starts a thread. Without start data, its first request must be `open`. */
export function startTokenizerThread(workerData: TokenizerStart | undefined): TokenizerThread {
  return new RequestThread({ module: PROGRAM, name: 'rank-distillm tokenizer', workerData, died });
}

/**
 * Threads that tokenize lists of texts, started when there are more lists than threads can take. If one dies, all waiting requests fail, and the next
 * list starts new threads.
 */
export class TokenizerPool {
  readonly #threads: number;
  readonly #start: () => TokenizerStart;
  #members: TokenizerThread[] = [];
  #waiting: Job[] = [];
  #closed: Promise<void> | undefined;

  /** @param first a thread that has its tokenizer */
  constructor(threads: number, start: () => TokenizerStart, first?: TokenizerThread) {
    this.#threads = threads;
    this.#start = start;
    if (first) this.#members.push(this.#watch(first));
  }

  /**
   * [texts]: the ids of each text of one side.
   *
   * @throws RankDistillmError the same errors as the tokenizer on this thread; `native` when a thread died; `closed`
   */
  tokenize(request: TextsRequest, signal: AbortSignal | undefined): Promise<SideIds[]> {
    if (this.#closed !== undefined) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      if (this.#members.length === 0) this.#startRest(); // where it cannot, nothing waits
      this.#waiting.push({ request, signal, resolve, reject });
      this.#handOut();
      if (this.#waiting.length > 0) this.#startRest();
    });
  }

  /** Fails all waiting requests and ends the threads. May be called more than once. */
  close(): Promise<void> {
    this.#closed ??= this.#endAll(closedError());
    return this.#closed;
  }

  #startRest(): void {
    if (this.#members.length >= this.#threads) return;
    const start = this.#start();
    while (this.#members.length < this.#threads) this.#members.push(this.#watch(startTokenizerThread(start)));
  }

  #watch(thread: TokenizerThread): TokenizerThread {
    void thread.ready.then(() => this.#handOut());
    // threads that were closed on purpose are no longer in the pool
    void thread.ended.then((error) => (this.#members.includes(thread) ? this.#endAll(error) : undefined));
    return thread;
  }

  #handOut(): void {
    for (let depth = 1; depth <= JOBS_PER_WORKER; depth++) {
      for (const thread of this.#members) {
        if (!thread.isReady || thread.pending >= depth) continue;
        const job = this.#nextWanted();
        if (job !== undefined) void this.#run(job, thread);
      }
    }
  }

  async #run({ request, resolve, reject }: Job, thread: TokenizerThread): Promise<void> {
    try {
      resolve(unpackSides((await thread.request(request)) as PackedSides));
    } catch (error) {
      reject(error as RankDistillmError);
    }
    this.#handOut();
  }

  #nextWanted(): Job | undefined {
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      if (job.signal?.aborted !== true) return job;
      job.reject(abortedError(job.signal));
    }
    return undefined;
  }

  async #endAll(error: RankDistillmError): Promise<void> {
    const members = this.#members;
    const waiting = this.#waiting;
    this.#members = [];
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
    await Promise.all(members.map((thread) => thread.close(error)));
  }
}

/** The error of calls after `close`. */
export function closedError(): RankDistillmError {
  return new RankDistillmError('closed', 'the tokenizer is closed', {
    hint: 'Load the model again; a closed one cannot be opened.',
  });
}

function died(cause: unknown): RankDistillmError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RankDistillmError('native', `a tokenizer thread died${why}`, {
    hint: 'Try again, or set tokenizerThreads to 0 to tokenize on the main thread; the process may have run out of memory.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The ids of many texts in two arrays, which are transferred between threads without copying. */
export interface PackedSides {
  /** The ids of all texts, concatenated. */
  ids: Int32Array<ArrayBuffer>;
  /** [texts, 4]: number of ids, `length`, `exact` and `cut` of `SideIds`. */
  counts: Int32Array<ArrayBuffer>;
}

const FIELDS = 4;

export function packSides(sides: readonly SideIds[]): PackedSides {
  const ids = new Int32Array(sides.reduce((sum, side) => sum + side.ids.length, 0));
  const counts = new Int32Array(FIELDS * sides.length);
  let at = 0;
  sides.forEach((side, i) => {
    ids.set(side.ids, at);
    at += side.ids.length;
    counts.set([side.ids.length, side.length, Number(side.exact), Number(side.cut)], FIELDS * i);
  });
  return { ids, counts };
}

/** Copies the ids of each text: a view in a cache would keep the whole array in memory. */
function unpackSides({ ids, counts }: PackedSides): SideIds[] {
  const sides: SideIds[] = [];
  let at = 0;
  for (let i = 0; i < counts.length; i += FIELDS) {
    const end = at + counts[i]!;
    const [length, exact, cut] = counts.subarray(i + 1, i + FIELDS) as unknown as [number, number, number];
    sides.push({ ids: ids.slice(at, end), length, exact: exact === 1, cut: cut === 1 });
    at = end;
  }
  return sides;
}
