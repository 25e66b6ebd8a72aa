import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../src/cli/cli.js';

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
  /** What was thrown, before it became text. */
  error: unknown;
}

export interface RunOptions {
  /** Folder the command runs in. */
  cwd?: string;
  stdin?: string | Readable;
  signal?: AbortSignal;
  /** Hears of each piece of stderr. */
  onStderr?: (text: string) => void;
}

/** Runs a command line in this process. */
export async function run(argv: string[], options: RunOptions = {}): Promise<CliResult> {
  const result: CliResult = { code: -1, stdout: '', stderr: '', error: undefined };
  const sink = (name: 'stdout' | 'stderr'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        result[name] += chunk.toString('utf8');
        if (name === 'stderr') options.onStderr?.(chunk.toString('utf8'));
        done();
      },
    });
  const before = process.cwd();
  if (options.cwd !== undefined) process.chdir(options.cwd);
  try {
    result.code = await runCli(
      argv,
      {
        stdin: options.stdin instanceof Readable ? options.stdin : Readable.from([Buffer.from(options.stdin ?? '')]),
        stdout: sink('stdout'),
        stderr: sink('stderr'),
        signal: options.signal ?? new AbortController().signal,
        env: {},
      },
      (error) => (result.error = error),
    );
  } finally {
    process.chdir(before);
  }
  return result;
}

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
export const TSX = import.meta.resolve('tsx');

/** The program and its arguments as a shell reads them. */
export function inShell(argv: readonly string[]): string {
  return [process.execPath, '--import', TSX, MAIN, ...argv].map((word) => `'${word}'`).join(' ');
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the program as a process of its own; `act` may send it signals. */
export function start(
  argv: string[],
  cwd: string,
  options: {
    stdin?: string;
    env?: Record<string, string>;
    act?: (kill: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', TSX, MAIN, ...argv], {
      cwd,
      env: { ...process.env, XDG_CACHE_HOME: join(cwd, 'cache'), ...options.env },
    });
    const ended: Ended = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (ended.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (ended.stderr += chunk.toString()));
    // A program that hangs must not outlive its test.
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ ...ended, code });
    });
    options.act?.((signal) => child.kill(signal));
    child.stdin.end(options.stdin);
  });
}
