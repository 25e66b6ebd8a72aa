import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { peakRssMiB } from '../memory-use.js';
import type { Contender } from './contenders.js';
import type { PeerAnswer, PeerHello, PeerOptions, PeerRequest } from './peer-options.js';

/** Of what a process says on stderr, for the message when it fails. */
const KEPT_CHARACTERS = 4000;

/** A contender's process; serve.py and serve.ts are its other end. */
export class Worker {
  readonly contender: Contender;
  version = '';
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #said = '';

  private constructor(contender: Contender, python: string, options: PeerOptions) {
    this.contender = contender;
    const script = fileURLToPath(new URL(contender.script, import.meta.url));
    const isPython = script.endsWith('.py');
    const args = [...(isPython ? [] : ['--import', 'tsx']), script, JSON.stringify(options)];
    const threads = String(options.threads);
    this.#child = spawn(isPython ? python : process.execPath, args, {
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
    worker.version = (await worker.#answer<PeerHello>()).version;
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
    return peakRssMiB(this.#child.pid);
  }

  stop(): void {
    this.#child.kill();
  }

  async #answer<T>(): Promise<T> {
    const line = await this.#lines.next();
    if (line.done) throw new Error(`${this.contender.script} ended:\n${this.#said}`);
    return JSON.parse(line.value) as T;
  }
}
