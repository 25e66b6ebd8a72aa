import type { FileHandle } from 'node:fs/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { openRegularFile } from '../io/regular-file.js';

/** First bytes of a Git LFS pointer, which `git clone` leaves if Git LFS is not installed. */
const LFS_POINTER = 'version https://git-lfs';

/** A weight file opened for reading its headers; tensors stay on disk. */
export interface WeightFile {
  path: string;
  size: number;
  /** Exactly `length` bytes from `offset`; throws, naming the file, if it ends before. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** Opens `path` while `use` runs. */
export async function withWeightFile<T>(path: string, use: (file: WeightFile) => Promise<T>): Promise<T> {
  // the size of weights is not limited: only their headers are read
  const { handle, size } = await openRegularFile(path, { bytes: Number.POSITIVE_INFINITY });
  try {
    const file = { path, size, read: readFrom(handle, path, size) };
    await refuseLfsPointer(file);
    return await use(file);
  } catch (error) {
    throw error instanceof RankDistillmError ? error : ioError('read', path, error);
  } finally {
    await handle.close();
  }
}

/** An error about the content of a weight file. */
export function weightFileError(path: string, problem: string, hint?: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${path}: ${problem}`, {
    hint: hint ?? 'The file is damaged or incomplete: copy or download it again.',
  });
}

function readFrom(handle: FileHandle, path: string, size: number): WeightFile['read'] {
  return async (offset, length) => {
    if (offset < 0 || length < 0 || offset + length > size) {
      throw weightFileError(path, `ends after ${size} bytes, but bytes ${offset} to ${offset + length} are needed`);
    }
    const buffer = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) throw weightFileError(path, 'became shorter while it was read');
      done += bytesRead;
    }
    return buffer;
  };
}

async function refuseLfsPointer(file: WeightFile): Promise<void> {
  if (file.size < LFS_POINTER.length || file.size > 1024) return;
  const start = await file.read(0, LFS_POINTER.length);
  if (start.toString('latin1') !== LFS_POINTER) return;
  throw weightFileError(
    file.path,
    'is a Git LFS pointer, not the weights',
    'Run `git lfs pull` in the model folder, or download the file itself.',
  );
}
