import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { cacheFolder, makeFolder } from './make-folder.js';

const CHUNK_BYTES = 1024 * 1024;

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

/** A file's bytes from its start to where it ends now. */
export async function* chunksOf(handle: FileHandle, name: string): AsyncGenerator<Buffer> {
  const { size } = await handle.stat();
  for (let offset = 0; offset < size; offset += CHUNK_BYTES) {
    yield await readRegion(handle, offset, Math.min(CHUNK_BYTES, size - offset), name);
  }
}

/** Someone wrote to a file between our passes over it. */
export function changedWhileRead(name: string): RankDistillmError {
  return new RankDistillmError('io', `${name}: the file changed while it was being read`, {
    hint: 'Start again once nothing writes to it any more.',
  });
}

/**
 * A temporary file without a name: it is unlinked as soon as it is open, so that it goes away with the handle even when
 * the process is killed. Filled with `produce`; the caller reads it at any offset and closes the handle.
 */
export async function spool(produce: (write: (bytes: Buffer) => Promise<void>) => Promise<void>): Promise<FileHandle> {
  const { handle, folder } = await openNameless();
  try {
    let position = 0;
    await produce(async (bytes) => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await handle
          .write(bytes, done, bytes.length - done, position)
          .catch((error: unknown) => Promise.reject(ioError('write', folder, error)));
        done += bytesWritten;
        position += bytesWritten;
      }
    });
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The cache folder comes first because /tmp is often memory. */
async function openNameless(): Promise<{ handle: FileHandle; folder: string }> {
  const name = `spool-${process.pid}-${Math.random().toString(36).slice(2, 10)}`;
  let failure: unknown;
  for (const folder of [cacheFolder(), tmpdir()]) {
    try {
      await makeFolder(folder);
      const path = join(folder, name);
      const handle = await open(path, 'wx+', 0o600);
      await rm(path);
      return { handle, folder };
    } catch (error) {
      failure = error;
    }
  }
  throw ioError('write', tmpdir(), failure);
}
