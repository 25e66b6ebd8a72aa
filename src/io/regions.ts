import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { ioError, RankDistillmError } from '../errors.js';
import { loadBinding } from './load-binding.js';
import { pathBeside, removeStrays } from './leftovers.js';
import { cacheFolder, makeFolder, PRIVATE_MODE } from './make-folder.js';

const CHUNK_BYTES = 1024 * 1024;

/** Reads `length` bytes at `offset`; `name` names the file in errors. Throws if the file has become shorter. */
export async function readRegion(handle: FileHandle, offset: number, length: number, name: string): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  await fillFrom(handle, offset, buffer, name);
  return buffer;
}

/** As `readRegion`, into memory that the caller has. */
export async function fillFrom(handle: FileHandle, offset: number, buffer: Buffer, name: string): Promise<void> {
  const { length } = buffer;
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle
      .read(buffer, done, length - done, offset + done)
      .catch((error: unknown) => Promise.reject(ioError('read', name, error)));
    if (bytesRead === 0) throw changedWhileRead(name);
    done += bytesRead;
  }
}

/** Regions of a file: [regions, 3], offset and length in bytes, and CRC-32. */
export type CheckedRegions = Float64Array;

/** Calls that a read of many regions is divided into, for disks that answer faster to several: libuv has four threads. */
const PARALLEL_READS = 4;
/** Regions for which a further call is worth its cost. */
const REGIONS_OF_A_CALL = 128;
/** Buffers to use again: the garbage collector would let hundreds of MB of them pile up. */
const spare: Buffer[] = [];
const MOST_SPARE = 4;
const MOST_SPARE_BYTES = 4 * 2 ** 20;

/**
 * Reads many regions of an open file at once and compares them with their checksums.
 *
 * @param use gets their bytes, one region after the other, which are valid only while it runs
 * @param failure the error if a region cannot be read; without a cause if the file has changed
 */
export async function readRegions<T>(
  file: number,
  regions: CheckedRegions,
  use: (bytes: Buffer) => T,
  failure: (cause?: Error) => RankDistillmError,
): Promise<T> {
  const total = lengthOf(regions);
  const last = spare.pop();
  const buffer = last !== undefined && last.length >= total ? last : Buffer.allocUnsafeSlow(total);
  const binding = loadBinding();
  const count = regions.length / 3;
  const calls = Math.min(PARALLEL_READS, Math.ceil(count / REGIONS_OF_A_CALL));
  let start = 0;
  const results = await Promise.all(
    Array.from({ length: calls }, (_, call) => {
      const [first, end] = [call, call + 1].map((part) => 3 * Math.floor((part * count) / calls)) as [number, number];
      const part = regions.subarray(first, end);
      const target = buffer.subarray(start, (start += lengthOf(part)));
      return binding.readRegions(file, part, target);
    }),
  );
  const failed = results.find((result) => result !== 0);
  if (failed !== undefined) throw failure(failed === -1 ? undefined : systemError(failed));
  try {
    return use(buffer.subarray(0, total));
  } finally {
    if (buffer.length <= MOST_SPARE_BYTES && spare.length < MOST_SPARE) spare.push(buffer);
  }
}

/** Bytes of all regions. */
function lengthOf(regions: CheckedRegions): number {
  let bytes = 0;
  for (let at = 1; at < regions.length; at += 3) bytes += regions[at]!;
  return bytes;
}

function systemError(errno: number): Error {
  const [code, reason] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'system error'];
  return Object.assign(new Error(`${code}: ${reason}`), { code });
}

/**
 * A file's bytes from start to end. A chunk is valid until `kept` more have been asked for: the garbage collector would
 * let a hundred MB of chunks pile up.
 */
export async function* chunksOf(handle: FileHandle, name: string, kept = 0): AsyncGenerator<Buffer> {
  const { size } = await handle.stat();
  const buffers: Buffer[] = [];
  for (let offset = 0, i = 0; offset < size; offset += CHUNK_BYTES, i++) {
    const buffer = (buffers[i % (kept + 1)] ??= Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, size)));
    const chunk = buffer.subarray(0, size - offset);
    await fillFrom(handle, offset, chunk, name);
    yield chunk;
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
