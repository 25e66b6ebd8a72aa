import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { statusMiB, type Device } from '../host.js';
import type { Contender } from './contenders.js';

/** A pair as it is in the file that all contenders read. */
export interface PeerPair {
  query: string;
  document: string;
  inputIds: number[];
  tokenTypeIds: number[];
}

/** What a contender's process is started with. */
export interface PeerOptions extends Pick<Contender, 'library' | 'precision' | 'sorted' | 'compiled'> {
  folder: string;
  /** File of PeerPair[]. */
  pairs: string;
  device: Device;
  threads: number;
  /** Folder whose node_modules holds the peers that are npm packages, where one of them runs. */
  packages: string | undefined;
}

/** The first `count` pairs in batches of `batch`. */
export interface PeerRequest {
  count: number;
  batch: number;
}

interface PeerAnswer {
  seconds: number;
  /** [count], in the file's order */
  scores: number[];
  /** Most of the GPU's memory that was held. */
  peakGpuMiB?: number | undefined;
}

/** Of what a process says on stderr, for the message when it fails. */
const KEPT_CHARACTERS = 4000;

/** A contender's process; peers.py and node-peer.ts are its other end. */
export class Worker {
  readonly contender: Contender;
  version = '';
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #said = '';

  private constructor(contender: Contender, python: string, options: PeerOptions) {
    this.contender = contender;
    const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
    const [program, ...args] =
      contender.runtime === 'python'
        ? [python, file('peers.py')]
        : [process.execPath, '--import', 'tsx', file('node-peer.ts')];
    const threads = String(options.threads);
    this.#child = spawn(program, [...args, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, OMP_NUM_THREADS: threads, HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1' },
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.on('data', (data: Buffer) => {
      this.#said = (this.#said + data.toString()).slice(-KEPT_CHARACTERS);
    });
  }

  /** Returns when the model is loaded. */
  static async start(contender: Contender, python: string, options: PeerOptions): Promise<Worker> {
    const worker = new Worker(contender, python, options);
    worker.version = (await worker.#answer<{ version: string }>()).version;
    return worker;
  }

  /** @throws Error what the peer said; it may be asked again */
  async score(request: PeerRequest): Promise<PeerAnswer> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await this.#answer<PeerAnswer | { error: string }>();
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }

  get peakMiB(): number {
    return statusMiB('VmHWM', this.#child.pid);
  }

  stop(): void {
    this.#child.kill();
  }

  async #answer<T>(): Promise<T> {
    const line = await this.#lines.next();
    if (line.done) throw new Error(`${this.contender.library} ended:\n${this.#said}`);
    return JSON.parse(line.value) as T;
  }
}
