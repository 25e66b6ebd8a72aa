import type { Readable, Writable } from 'node:stream';

/** What a verb sees of the process. Tests hand in streams of their own. */
export interface CliIo {
  stdin: Readable;
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean };
  /** Fires on Ctrl-C. */
  signal: AbortSignal;
  env: Readonly<Record<string, string | undefined>>;
}

/** Writes a line to stderr, where people look and programs do not. */
export function note(io: CliIo, line: string): void {
  io.stderr.write(`${line}\n`);
}

export function warn(io: CliIo, message: string): void {
  note(io, `warning: ${message}`);
}

/** Writes to stdout and waits while the reader is slower. */
export function print(io: CliIo, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    io.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
