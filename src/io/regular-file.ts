import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { ioError, RankDistillmError, throwIfAborted } from '../errors.js';
import { changedWhileRead } from './regions.js';

export interface ReadLimit {
  /** Most bytes that a file of this kind has. */
  bytes: number;
  /** Hint for a larger file. */
  hint?: string;
  signal?: AbortSignal | undefined;
}

export interface RegularFile {
  handle: FileHandle;
  size: number;
}

/** Bytes per read: other work runs, and an abort counts, between two reads. */
const PIECE_BYTES = 4 * 1024 * 1024;

/**
 * Opens a regular file of at most `limit.bytes` bytes for reading; the caller closes the handle. A pipe or a device is
 * an error: without O_NONBLOCK, opening a pipe would wait for a writer, and a device may give bytes for ever.
 *
 * @throws RankDistillmError `not_found`, `io`; `bad_input` for a file that is no regular file or too large
 */
export async function openRegularFile(path: string, limit: ReadLimit): Promise<RegularFile> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  const handle = await open(path, flags).catch((error: unknown) => Promise.reject(openError(path, error)));
  try {
    const found = await handle.stat();
    if (found.isDirectory()) throw ioError('read', path, Object.assign(new Error('is a folder'), { code: 'EISDIR' }));
    if (!found.isFile()) throw notRegular(path);
    if (found.size > limit.bytes) throw tooLarge(path, found.size, limit);
    return { handle, size: found.size };
  } catch (error) {
    await handle.close();
    throw error instanceof RankDistillmError ? error : ioError('read', path, error);
  }
}

/** Reads such a file whole. The size is checked first, so that memory grows with what the file holds, not claims. */
export async function readRegularFile(path: string, limit: ReadLimit): Promise<Buffer> {
  const { handle, size } = await openRegularFile(path, limit);
  try {
    const bytes = Buffer.allocUnsafe(size);
    for (let done = 0; done < size;) {
      throwIfAborted(limit.signal);
      const { bytesRead } = await handle.read(bytes, done, Math.min(PIECE_BYTES, size - done), done);
      if (bytesRead === 0) throw changedWhileRead(path);
      done += bytesRead;
    }
    return bytes;
  } catch (error) {
    throw error instanceof RankDistillmError ? error : ioError('read', path, error);
  } finally {
    await handle.close();
  }
}

/** The same; undefined if there is no such file. */
export async function readRegularFileIfPresent(path: string, limit: ReadLimit): Promise<Buffer | undefined> {
  try {
    return await readRegularFile(path, limit);
  } catch (error) {
    if (error instanceof RankDistillmError && error.code === 'not_found') return undefined;
    throw error;
  }
}

/** ENXIO: a socket, or a device without its hardware. */
function openError(path: string, error: unknown): RankDistillmError {
  return (error as NodeJS.ErrnoException).code === 'ENXIO' ? notRegular(path) : ioError('read', path, error);
}

function notRegular(path: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${path}: is a pipe or a device, not a regular file`, {
    hint: 'Write its content to a file and name that file.',
  });
}

/** The error for a file of more than `limit.bytes` bytes. */
export function tooLarge(path: string, size: number, { bytes, hint }: ReadLimit): RankDistillmError {
  return new RankDistillmError(
    'bad_input',
    `${path}: ${size} bytes are too many for this kind of file, at most ${bytes}`,
    {
      hint: hint ?? 'The content does not match the file name; copy or download the file again.',
    },
  );
}
