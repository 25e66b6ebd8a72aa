import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../../lib/say.mjs';

/** A rival's server of the same model, in Python. */
export class PeerServer implements AsyncDisposable {
  /** With its version. */
  readonly name: string;
  readonly url: string;
  readonly path = '/rerank';
  readonly #child: ChildProcess;
  readonly #model: string;

  private constructor(child: ChildProcess, name: string, port: number, model: string) {
    this.#child = child;
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    this.#model = model;
  }

  static async start(python: string, folder: string): Promise<PeerServer> {
    const program = fileURLToPath(new URL('server.py', import.meta.url));
    const child = spawn(python, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('{')) continue;
      const { name, port, model } = JSON.parse(line) as { name: string; port: number; model: string };
      return new PeerServer(child, name, port, model);
    }
    throw new SetupError(`${python} ${program} ended`, 'Install infinity-emb[server,torch] into that Python.');
  }

  get pid(): number {
    return this.#child.pid!;
  }

  readonly bodyOf = (request: object): object => ({ model: this.#model, ...request });

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }
}
