import type { FileHandle } from 'node:fs/promises';
import { ioError, RankDistillmError } from '../errors.js';

/** Reads `length` bytes at `offset`; `name` is the file's name for errors. A file that has become shorter is an error. */
export async function readRegion(handle: FileHandle, offset: number, length: number, name: string): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle
      .read(buffer, done, length - done, offset + done)
      .catch((error: unknown) => Promise.reject(ioError('read', name, error)));
    if (bytesRead === 0) throw changedWhileRead(name);
    done += bytesRead;
  }
  return buffer;
}

/** Someone wrote to a file between our passes over it. */
export function changedWhileRead(name: string): RankDistillmError {
  return new RankDistillmError('io', `${name}: the file changed while it was being read`, {
    hint: 'Start again once nothing writes to it any more.',
  });
}
