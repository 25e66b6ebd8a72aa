import type { Readable, Writable } from 'node:stream';
import { ioError, RankDistillmError, readable } from '../errors.js';

/** What a verb sees of the process. Tests hand in streams of their own. */
export interface CliIo {
  stdin: Readable;
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean };
  /** Fires on Ctrl-C, and when stdout fails. */
  signal: AbortSignal;
  env: Readonly<Record<string, string | undefined>>;
  /** The command line after the program's name, as a shell reads it. */
  command: string;
}

/** The command line that a shell takes apart into these arguments. */
export function commandLine(argv: readonly string[]): string {
  const quoted = (text: string): string =>
    /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  return ['rank-distillm', ...argv.map(quoted)].join(' ');
}

/** Writes a line to stderr, where people look and programs do not. */
export function note(io: CliIo, line: string): void {
  io.stderr.write(`${readable(line)}\n`);
}

export function warn(io: CliIo, message: string): void {
  note(io, `warning: ${message}`);
}

/**
 * Writes to stdout and waits while the reader is slower.
 *
 * @throws RankDistillmError `io`
 */
export function print(io: CliIo, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    io.stdout.write(text, (error) => (error ? reject(ioError('write', 'standard output', error)) : resolve()));
  });
}

/** True where `print` threw because the reader has seen enough (`| head`), which is no failure of ours. */
export function readerHasLeft(error: unknown): boolean {
  return error instanceof RankDistillmError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
}
