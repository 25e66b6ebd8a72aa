import { open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ioError } from '../errors.js';
import { cacheFolder } from './cache-folder.js';
import { makeFolder } from './make-folder.js';

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
