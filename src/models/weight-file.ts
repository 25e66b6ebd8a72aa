import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { openRegularFile } from '../io/regular-file.js';
import type { RawTensors } from './raw-tensor.js';

/** First bytes of a Git LFS pointer, which `git clone` leaves if Git LFS is not installed. */
const LFS_POINTER = 'version https://git-lfs';

/** A weight file opened for reading its headers; tensors stay on disk. */
export interface WeightFile {
  path: string;
  size: number;
  /** Exactly `length` bytes from `offset`; throws, naming the file, if it ends before. */
  read(offset: number, length: number): Promise<Buffer>;
}

/**
 * Opens `path` while `use` reads the headers. The tensors carry the version of the file, which the engine compares when it
 * reads them: a file that is replaced or rewritten meanwhile is refused.
 */
export async function withWeightFile(
  path: string,
  use: (file: WeightFile) => Promise<RawTensors>,
): Promise<RawTensors> {
  // the size of weights is not limited: only their headers are read
  const { handle, size } = await openRegularFile(path, { bytes: Number.POSITIVE_INFINITY });
  try {
    const version = versionOf(await handle.stat({ bigint: true }));
    const file = { path, size, read: readFrom(handle, path, size) };
    await refuseLfsPointer(file);
    const tensors = await use(file);
    for (const { data } of tensors.values()) data.version = version;
    return tensors;
  } catch (error) {
    throw error instanceof RankDistillmError ? error : ioError('read', path, error);
  } finally {
    await handle.close();
  }
}

/** Compared with native/core/model_file.cc's. */
function versionOf({ ino, size, mtimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs].join(':');
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
