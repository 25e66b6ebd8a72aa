import { fileURLToPath } from 'node:url';

/** A file or folder of this package, as a path that works wherever the package is installed. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url));
}

/** A page of the documentation, for hints. */
export function docsPage(page: 'api' | 'cli' | 'cuda' | 'losses' | 'training'): string {
  return packagePath(`docs/${page}.md`);
}

/**
 * Error code for programs to switch on.
 *
 * - `bad_input`: a file, option or argument that the caller can fix (CLI exit code 2)
 * - `not_found`: a file, model or id that does not exist (CLI exit code 2)
 * - `unsupported`: something that this package deliberately does not support (CLI exit code 2)
 * - `io`: the operating system refused a read or a write, or a server a download (CLI exit code 2)
 * - `native`: the addon could not be loaded, or the engine failed (CLI exit code 1)
 * - `out_of_memory`: a model, or a single sequence, does not fit into a device's memory (CLI exit code 1)
 * - `aborted`: the caller's AbortSignal fired (CLI exit code 130)
 * - `closed`: a model was used after `close()` (CLI exit code 1)
 */
export type ErrorCode =
  'bad_input' | 'not_found' | 'unsupported' | 'io' | 'native' | 'out_of_memory' | 'aborted' | 'closed';

export interface ErrorDetails {
  /** How to fix it, in one sentence. */
  hint?: string;
  cause?: unknown;
}

/** The only error class this package throws on purpose. The message names the place (file, line or key). */
export class RankDistillmError extends Error {
  override readonly name = 'RankDistillmError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** The error for an invalid argument: its name, the expected and the received value. */
export function badArgument(name: string, expected: string, received: unknown, hint?: string): RankDistillmError {
  const shown =
    typeof received === 'string'
      ? `'${received}'`
      : typeof received === 'object'
        ? JSON.stringify(received)
        : String(received);
  return new RankDistillmError('bad_input', `${name}: expected ${expected}, received ${shown}`, {
    hint: hint ?? `Pass ${expected} as ${name}.`,
  });
}

/** A place in a text file, as editors and compilers write it: `runs/bm25.run:17`. */
export function at(file: string, line?: number): string {
  return line === undefined ? file : `${file}:${line}`;
}

/** Converts an error of the operating system into one that names the path and the fix. */
export function ioError(verb: 'read' | 'write', path: string, cause: unknown): RankDistillmError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOENT' && verb === 'read') {
    return new RankDistillmError('not_found', `${path}: no such file or folder`, {
      hint: 'Check the path; relative paths start from the current working directory.',
      cause,
    });
  }
  const reasons: Record<string, string> = {
    ENOENT: 'the folder does not exist',
    EACCES: 'permission denied',
    EPERM: 'operation not permitted',
    EISDIR: 'is a folder, not a file',
    ENOTDIR: 'part of the path is a file, not a folder',
    ENOSPC: 'no space left on the device',
    EDQUOT: 'the disk quota is used up',
    ENAMETOOLONG: 'the name is too long',
    EROFS: 'the file system is read-only',
    EMFILE: 'too many open files',
  };
  const reason = (code && reasons[code]) ?? String((cause as Error | undefined)?.message ?? cause);
  return new RankDistillmError('io', `${path}: cannot ${verb}: ${reason}`, {
    hint: verb === 'write' ? 'Choose a path you may write to, with space left.' : 'Check the path and its permissions.',
    cause,
  });
}

/** The error for an operation that the caller's signal aborted. */
export function abortedError(signal: AbortSignal): RankDistillmError {
  return new RankDistillmError('aborted', 'interrupted', { cause: signal.reason });
}

/** Throws the `aborted` error when the caller's signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}
