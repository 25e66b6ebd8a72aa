import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import type { GradientSums, NativeCommunicator } from '../../binding.js';
import { abortedError, RankDistillmError, throwIfAborted } from '../errors.js';
import { differences, type Facts } from '../io/fingerprint.js';
import { fromNative } from '../engine/native-error.js';
import { findTorchEngine, loadBinding, loadTorchBinding } from '../io/load-binding.js';
import { onAbort } from '../io/on-abort.js';
import { rankLabel, type RankEnvironment } from './environment.js';

export interface JoinOptions {
  /** How long to wait for the other ranks. Default 600, as torch does. */
  joinSeconds?: number | undefined;
  /** How long a rank may be silent before the others end. Default 60. */
  timeoutSeconds?: number | undefined;
  /** Ends the wait for the others. Default: none. */
  signal?: AbortSignal | undefined;
}

const JOIN_SECONDS = 600;
const TIMEOUT_SECONDS = 60;

const START_AGAIN = 'Start all ranks again; with ckpt_path: last, training continues from the newest checkpoint.';

/**
 * The processes that train one model or re-rank one run together, seen from one of them. All must make the same calls in
 * the same order. When a rank ends or is silent for too long, every call of the others rejects with one error that names
 * it; the process must then end, since what the engine waits for never comes.
 */
export class RankGroup implements AsyncDisposable {
  readonly rank: number;
  /** Number of ranks. */
  readonly ranks: number;
  readonly localRank: number;
  readonly localRanks: number;
  readonly #native: NativeCommunicator;
  readonly #timer: NodeJS.Timeout;
  readonly #faulty: Promise<never>;
  #reportFault!: (fault: RankDistillmError) => void;
  #fault: RankDistillmError | undefined;
  readonly #timeoutSeconds: number;
  #gradientSums: GradientSums | undefined;

  private constructor(environment: RankEnvironment, native: NativeCommunicator, timeoutSeconds: number) {
    this.rank = environment.rank;
    this.ranks = environment.ranks;
    this.localRank = environment.localRank;
    this.localRanks = environment.localRanks;
    this.#native = native;
    this.#timeoutSeconds = timeoutSeconds;
    this.#faulty = new Promise<never>((_, reject) => (this.#reportFault = reject));
    this.#faulty.catch(() => undefined); // told by the next call
    this.#timer = setInterval(() => this.#look(), Math.min(1000, timeoutSeconds * 50)).unref();
  }

  /**
   * Waits for all ranks and connects them. It loads LibTorch's engine, which communicates; models may be on the CPU.
   *
   * @throws RankDistillmError `native` without LibTorch's engine or when rank 0 ends; `bad_input` if ranks are missing;
   * `aborted` after the signal
   */
  static async join(environment: RankEnvironment, options: JoinOptions = {}): Promise<RankGroup> {
    const { joinSeconds = JOIN_SECONDS, timeoutSeconds = TIMEOUT_SECONDS, signal } = options;
    throwIfAborted(signal);
    const { rank, ranks, host, port, serves, attempt } = environment;
    if (findTorchEngine() === undefined) {
      const what = `${ranks} ranks need the engine for GPUs, which has LibTorch's communication`;
      throw new RankDistillmError('native', `${what}; it is not installed`, {
        hint: 'In a checkout, node scripts/setup.mjs --torch builds it, also for ranks on the CPU. Or run one process.',
      });
    }
    const { Communicator, exitNow } = loadTorchBinding();
    const native = new Communicator({
      host,
      port,
      serves,
      rank,
      ranks,
      prefix: `rank-distillm/${attempt}`,
      interface: process.env['GLOO_SOCKET_IFNAME'] ?? '',
      label: rankLabel(rank, process.pid),
      joinSeconds,
      timeoutSeconds,
    });
    const group = new RankGroup(environment, native, timeoutSeconds);
    const stopHearing = signal && onAbort(signal, () => group.#give(abortedError(signal)));
    try {
      await group.#call(() => native.connect());
      return group;
    } catch (error) {
      group.#end(exitNow);
      const known = error as RankDistillmError;
      if (known.code === 'aborted') {
        native.fail(known.message);
        throw known;
      }
      throw new RankDistillmError(known.code, known.message, {
        hint:
          known.code === 'bad_input'
            ? 'Start all ranks with the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE, and let no firewall divide them.'
            : (known.hint ?? START_AGAIN),
        cause: error,
      });
    } finally {
      stopHearing?.();
    }
  }

  /** Threads of the engine, where nothing else is said: ranks of a host share its cores. */
  get threads(): number {
    return Math.max(1, Math.floor(loadBinding().info().threads / this.localRanks));
  }

  /** Sums an array over all ranks, in place; the sums are the same bits in all of them. */
  async sum(values: Float32Array): Promise<void> {
    await this.#call(() => this.#native.allReduce(values));
  }

  /** With which trainers sum their gradients over all ranks while they compute; `finishSums` waits for that. */
  get gradientSums(): GradientSums {
    this.#gradientSums ??= this.#native.gradientSums();
    return this.#gradientSums;
  }

  async finishSums(): Promise<void> {
    await this.#call(() => this.#native.finishSums());
  }

  /** The values of all ranks, by rank: whatever `structuredClone` takes. */
  async gather<T>(value: T): Promise<T[]> {
    const bytes = await this.#call(() => this.#native.allGather(serialize(value)));
    return bytes.map((each) => deserialize(each) as T);
  }

  /** The value of rank 0. */
  async fromFirst<T>(value: T): Promise<T> {
    return (await this.gather(this.rank === 0 ? value : undefined))[0]!;
  }

  /** Waits for all ranks. */
  async barrier(): Promise<void> {
    await this.#call(() => this.#native.allGather(new Uint8Array()));
  }

  /** Adds to a counter that all ranks share, and returns the sum. */
  add(counter: string, number: number): Promise<number> {
    return this.#call(() => this.#native.add(counter, number));
  }

  /** Lays down bytes for `take` of any rank. */
  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#call(() => this.#native.set(key, bytes));
  }

  /** Bytes that a rank has put there, which are then gone; undefined if there are none. */
  take(key: string): Promise<Uint8Array | undefined> {
    return this.#call(() => this.#native.take(key));
  }

  /**
   * Compares what ranks are about to do.
   *
   * @throws RankDistillmError `bad_input` that says which rank differs in what; on all ranks
   */
  async checkSame(facts: Facts): Promise<void> {
    const all = await this.gather({ facts, host: hostname() });
    for (const [rank, other] of all.entries()) {
      const found = differences(all[0]!.facts, other.facts, (name, first, here) => `${name} is ${here}, not ${first}`);
      if (found.length === 0) continue;
      const message = `rank ${rank} (${other.host}) does not do the same as rank 0 (${all[0]!.host}): ${found.join('; ')}`;
      throw new RankDistillmError('bad_input', message, {
        hint: 'Start all ranks with the same configuration, release, model and data.',
      });
    }
  }

  /** Tells the others that this rank ends by an error. Afterwards, only the process's end is left. */
  fail(error: unknown): void {
    const { message } = error as Error;
    if (this.#fault === undefined) this.#native.fail(message);
    this.#end(loadTorchBinding().exitNow);
  }

  /**
   * Waits until all ranks have come here, and disconnects. All work is done by then, so one that ends or hangs later is no
   * fault: it is waited for no longer than a silent one.
   */
  async close(): Promise<void> {
    if (this.#fault !== undefined) return;
    await this.barrier();
    clearInterval(this.#timer);
    this.#native.leave();
    const waiting = new AbortController();
    const late = sleep(this.#timeoutSeconds * 1000, false, { signal: waiting.signal }).catch(() => false);
    const nobodyLooks = this.#native.allGather(new Uint8Array()).then(
      () => true, // for faults any more
      () => false,
    );
    const isOver = await Promise.race([nobodyLooks, late]);
    waiting.abort();
    if (isOver) await this.#call(() => this.#native.close());
    else this.#end(loadTorchBinding().exitNow);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** From now on the process ends without waiting for the engine's threads. */
  #end(exitNow: (this: void, code: number) => never): void {
    clearInterval(this.#timer);
    this.#fault ??= new RankDistillmError('closed', 'this rank has left its group');
    process.prependOnceListener('exit', (code) => exitNow(code));
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#fault !== undefined) throw this.#fault;
    const call = work();
    call.catch(() => undefined); // after a fault nobody waits for it
    const alive = setInterval(() => undefined, 2 ** 30); // native calls do not keep the process
    try {
      return await Promise.race([call, this.#faulty]);
    } catch (error) {
      const fault = this.#fault as RankDistillmError | undefined; // found meanwhile
      if (fault !== undefined) throw fault;
      const known = fromNative(error);
      // a connection broke: beats tell in a moment whose
      const culprit = known.code === 'bad_input' ? known : await this.#culprit(known);
      throw culprit;
    } finally {
      clearInterval(alive);
    }
  }

  async #culprit(error: RankDistillmError): Promise<RankDistillmError> {
    this.#native.suspect();
    const fault = this.#faulty.catch((found: RankDistillmError) => found);
    const found = await Promise.race([fault, sleep(this.#timeoutSeconds * 1000, error, { ref: false })]);
    if (this.#fault === undefined) this.#end(loadTorchBinding().exitNow);
    return found;
  }

  #look(): void {
    const fault = this.#native.fault();
    if (fault !== undefined) this.#give(new RankDistillmError('native', fault.message, { hint: START_AGAIN }));
  }

  /** All calls reject with it, those that wait, too. */
  #give(fault: RankDistillmError): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    this.#end(loadTorchBinding().exitNow);
    this.#reportFault(fault);
  }
}

/** Whether this process writes what all ranks made: rank 0, or one alone. */
export function isFirst(group: RankGroup | undefined): boolean {
  return group === undefined || group.rank === 0;
}

/** Does some work on one rank of each host first, which leaves in a cache what the others then find there. */
export async function oncePerHost<T>(group: RankGroup | undefined, work: () => Promise<T>): Promise<T> {
  if (group === undefined) return work();
  if (group.localRank !== 0) await group.barrier();
  const result = await work();
  if (group.localRank === 0) await group.barrier();
  return result;
}
