import type { Worker } from 'node:worker_threads';
import { abortedError, RankDistillmError } from '../errors.js';
import { receivedError, startThread } from '../io/thread.js';
import { unpackSides } from './packed-sides.js';
import type { SideIds, Sides } from './side-tokenizer.js';
import type { WorkerReply, WorkerRequest, WorkerStart } from './worker-messages.js';

interface Job extends Omit<WorkerRequest, 'id'> {
  signal: AbortSignal | undefined;
  resolve: (sides: SideIds[]) => void;
  reject: (error: RankDistillmError) => void;
}

interface Member {
  worker: Worker;
  ready: boolean;
  /** By id. */
  running: Map<number, Job>;
}

const PROGRAM = new URL('./tokenizer-worker.js', import.meta.url).href;
/** One is worked on, and the next is there when it is done. The others wait here, where they can be dropped. */
const JOBS_PER_WORKER = 2;

/**
 * Threads that tokenize lists of texts, started when there is a first one. They keep the process alive only while
 * they have something to do. When one dies, all that waits fails, and the next list starts new ones.
 */
export class TokenizerPool {
  readonly #threads: number;
  readonly #start: () => WorkerStart;
  #members: Member[] = [];
  #waiting: Job[] = [];
  #nextId = 0;
  #closed: Promise<void> | undefined;

  constructor(threads: number, start: () => WorkerStart) {
    this.#threads = threads;
    this.#start = start;
  }

  /**
   * [texts]: the ids of each text of one side.
   *
   * @throws RankDistillmError as the tokenizer on this thread does; `native` when a thread died; `closed`
   */
  tokenize(side: keyof Sides<unknown>, texts: readonly string[], signal: AbortSignal | undefined): Promise<SideIds[]> {
    if (this.#closed !== undefined) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ side, texts, signal, resolve, reject });
      if (this.#members.length === 0) this.#startAll();
      this.#handOut();
    });
  }

  /** Fails what still waits and ends the threads. May be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#endAll(closedError());
    return this.#closed;
  }

  #startAll(): void {
    const workerData = this.#start();
    this.#members = Array.from({ length: this.#threads }, () => this.#startOne(workerData));
  }

  #startOne(workerData: WorkerStart): Member {
    const worker = startThread(PROGRAM, 'rank-distillm tokenizer', workerData);
    const member: Member = { worker, ready: false, running: new Map() };
    worker.on('message', (message: WorkerReply) => this.#receive(member, message));
    worker.on('error', (cause: unknown) => this.#lose(member, died(cause)));
    worker.on('exit', () => this.#lose(member, died(undefined)));
    return member;
  }

  #receive(member: Member, message: WorkerReply): void {
    if (message.type === 'ready') {
      member.ready = true;
    } else {
      const job = member.running.get(message.id);
      member.running.delete(message.id);
      if (message.type === 'encoded') job?.resolve(unpackSides(message.sides));
      else job?.reject(receivedError(message.error));
    }
    this.#handOut();
  }

  #lose(member: Member, error: RankDistillmError): void {
    // those that were ended on purpose are no members any more
    if (this.#members.includes(member)) void this.#endAll(error);
  }

  #handOut(): void {
    for (let depth = 1; depth <= JOBS_PER_WORKER; depth++) {
      for (const { worker, ready, running } of this.#members) {
        if (!ready || running.size >= depth) continue;
        const job = this.#nextWanted();
        if (job === undefined) continue;
        const id = this.#nextId++;
        running.set(id, job);
        worker.postMessage({ id, side: job.side, texts: job.texts } satisfies WorkerRequest);
      }
    }
    const busy = this.#waiting.length > 0 || this.#members.some(({ running }) => running.size > 0);
    for (const { worker } of this.#members) worker[busy ? 'ref' : 'unref']();
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
    const jobs = [...members.flatMap(({ running }) => [...running.values()]), ...this.#waiting];
    this.#members = [];
    this.#waiting = [];
    for (const job of jobs) job.reject(error);
    await Promise.all(members.map(({ worker }) => worker.terminate()));
  }
}

/** For what is asked of a tokenizer after its end. */
export function closedError(): RankDistillmError {
  return new RankDistillmError('closed', 'the tokenizer is closed', {
    hint: 'Load the model again; a closed one cannot be opened.',
  });
}

function died(cause: unknown): RankDistillmError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RankDistillmError('native', `a tokenizer thread ended before its work was done${why}`, {
    hint: 'Try again, or set tokenizerThreads to 0, which tokenizes on the main thread; it may have lacked memory.',
    ...(cause === undefined ? {} : { cause }),
  });
}
