import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RandomStream } from '../../src/random/random-stream.js';
import { Broken } from './kind.js';

/** A program that is started again and again in a folder, and killed. */
export class KilledProgram {
  readonly #command: readonly string[];
  readonly #folder: string;

  /** @param command the program and its first arguments */
  constructor(command: readonly string[], folder: string) {
    this.#command = command;
    this.#folder = folder;
  }

  /** Runs it to its end, and returns the milliseconds that it took. */
  async run(argv: readonly string[]): Promise<number> {
    const start = performance.now();
    const { code, stderr } = await this.#start(argv);
    if (code !== 0) throw new Broken(`exit code ${code}: ${stderr}`);
    return performance.now() - start;
  }

  /** Kills it (SIGKILL) at any moment of `milliseconds`; it may have ended well before. */
  async kill(argv: readonly string[], random: RandomStream, milliseconds: number): Promise<void> {
    const { code, stderr } = await this.#start(argv, random.float() * milliseconds);
    if (code !== 0 && code !== null) throw new Broken(`exit code ${code}: ${stderr}`);
  }

  async #start(argv: readonly string[], after?: number): Promise<{ code: number | null; stderr: string }> {
    const [program = '', ...before] = this.#command;
    const child = spawn(program, [...before, ...argv], { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    if (after !== undefined) {
      await Promise.race([sleep(after), ended]);
      child.kill('SIGKILL');
    }
    return { code: await ended, stderr };
  }
}
