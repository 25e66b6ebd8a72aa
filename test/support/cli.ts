import { Readable, Writable } from 'node:stream';
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
