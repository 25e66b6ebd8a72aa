import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { pathBeside, removeStrays } from './leftovers.js';
import { cacheFolder, makeFolder, PRIVATE_MODE } from './make-folder.js';

const CHUNK_BYTES = 1024 * 1024;

/** Reads `length` bytes at `offset`; `name` names the file in errors. Throws if the file has become shorter. */
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

/** A file's bytes from start to end. */
export async function* chunksOf(handle: FileHandle, name: string): AsyncGenerator<Buffer> {
  const { size } = await handle.stat();
  for (let offset = 0; offset < size; offset += CHUNK_BYTES) {
    yield await readRegion(handle, offset, Math.min(CHUNK_BYTES, size - offset), name);
  }
}

/** Differs after the file was written to, or another one has its path. */
export async function versionOf(file: FileHandle | string): Promise<string> {
  const { dev, ino, size, mtimeNs } =
    typeof file === 'string'
      ? await stat(file, { bigint: true }).catch((error: unknown) => Promise.reject(ioError('read', file, error)))
      : await file.stat({ bigint: true });
  return [dev, ino, size, mtimeNs].join(':');
}

/** The error for a file that changed between two reads. */
export function changedWhileRead(name: string): RankDistillmError {
  return new RankDistillmError('io', `${name}: the file changed while it was being read`, {
    hint: 'Try again when no other process writes to the file.',
  });
}

/**
 * A temporary file that is unlinked when it is open, so that it is freed with the handle even if the process is killed.
 * `produce` fills it; the caller reads it at any offset and closes the handle.
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

/**
 * An empty temporary file that has no name any more. Prefers the cache folder, because /tmp is often in memory.
 *
 * @throws RankDistillmError `io`
 */
export async function openNameless(): Promise<{ handle: FileHandle; folder: string }> {
  let failure: unknown;
  for (const folder of [cacheFolder(), tmpdir()]) {
    try {
      await makeFolder(folder, PRIVATE_MODE);
      await removeStrays(folder);
      const path = pathBeside(join(folder, 'spool'), 'new');
      const handle = await open(path, 'wx+', 0o600);
      await rm(path);
      return { handle, folder };
    } catch (error) {
      failure = error;
    }
  }
  throw ioError('write', tmpdir(), failure);
}
