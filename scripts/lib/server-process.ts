import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A line of `--log json`. */
interface LogLine {
  event: string;
  level: string;
  url?: string;
}

/** A server in a process of its own, mostly `rank-distillm serve`, called over loopback. */
export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
  /** Log lines of errors, and what is no log line at all. */
  readonly complaints: string[];
  readonly #exit: Promise<number | NodeJS.Signals>;

  private constructor(child: ChildProcess, exit: Promise<number | NodeJS.Signals>, url: string, complaints: string[]) {
    this.child = child;
    this.url = url;
    this.complaints = complaints;
    this.#exit = exit;
  }

  /** @param command the program and its first arguments: `node .../main.js` */
  static start(command: readonly string[], args: readonly string[]): Promise<ServerProcess> {
    return ServerProcess.of([...command, 'serve', ...args, '--log', 'json']);
  }

  /** Any program that writes a line of `--log json` when it listens, and ends on SIGTERM. */
  static async of([program = '', ...args]: readonly string[]): Promise<ServerProcess> {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const exit = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
    const complaints: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      void exit.then(() => reject(new Error(`the server ended: ${complaints.join('\n')}`)), reject);
      createInterface({ input: child.stderr }).on('line', (line) => {
        const entry = line.startsWith('{') ? (JSON.parse(line) as LogLine) : undefined;
        if (entry?.event === 'listening') resolve(entry.url!);
        if (entry === undefined || entry.level === 'error') complaints.push(line);
      });
    });
    return new ServerProcess(child, exit, url, complaints);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Sends the signal and waits for the end: the exit code, or the signal that it died of. */
  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    this.child.kill(signal);
    return this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
