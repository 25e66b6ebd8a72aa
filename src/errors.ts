import { fileURLToPath } from 'node:url';

/** A file or folder of this package, as a path that works wherever the package is installed. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url));
}

/** A page of the documentation, for hints. */
export function docsPage(page: 'api' | 'cli' | 'cuda' | 'distributed' | 'downloads' | 'losses' | 'training'): string {
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
 * - `out_of_memory`: a model, or a single sequence, does not fit into memory (CLI exit code 1)
 * - `busy`: more calls are unfinished than the model's `queueLimit` (CLI exit code 1)
 * - `aborted`: the caller's AbortSignal fired (CLI exit code 130)
 * - `closed`: a model was used after `close()` (CLI exit code 1)
 */
export type ErrorCode =
  'bad_input' | 'not_found' | 'unsupported' | 'io' | 'native' | 'out_of_memory' | 'busy' | 'aborted' | 'closed';

export interface ErrorDetails {
  /** How to fix it, in one sentence. */
  hint?: string;
  cause?: unknown;
}

/** Messages quote ids and values as files have them; a longer one is cut in the middle. */
const LONGEST_MESSAGE = 2000;
/** The rest is the beginning, which names the place. */
const END_OF_MESSAGE = 600;

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A message for people: one line of a readable length, without characters that control a terminal or reorder the text
 * around them.
 */
export function readable(message: string): string {
  return cut(message).replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => ESCAPES[character] ?? '\ufffd',
  );
}

function cut(message: string): string {
  if (message.length <= LONGEST_MESSAGE) return message;
  const start = message.slice(0, LONGEST_MESSAGE - END_OF_MESSAGE).replace(/[\ud800-\udbff]$/, '');
  const end = message.slice(-END_OF_MESSAGE).replace(/^[\udc00-\udfff]/, '');
  return `${start} [… ${message.length - start.length - end.length} characters …] ${end}`;
}

/** Where warnings go: to the caller's function, else to the warnings of Node.js. */
export function warner(onWarning: ((message: string) => void) | undefined): (message: string) => void {
  const receive = onWarning ?? ((message: string) => process.emitWarning(message, 'RankDistillmWarning'));
  return (message) => receive(readable(message));
}

/** The only error class this package throws on purpose. The message names the place (file, line or key). */
export class RankDistillmError extends Error {
  override readonly name = 'RankDistillmError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(readable(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint === undefined ? undefined : readable(details.hint);
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
