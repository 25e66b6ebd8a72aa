import type { ReadStream } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { createGunzip, type Gunzip } from 'node:zlib';
import { ioError, RankDistillmError } from '../errors.js';

const CHUNK_BYTES = 256 * 1024;

/**
 * The first bytes of a file, as many as there are up to `count`; nothing is decompressed.
 *
 * @throws RankDistillmError `bad_input` for a pipe, because callers read the file again
 */
export async function firstBytes(path: string, count: number): Promise<Buffer> {
  await refusePipe(path);
  try {
    const handle = await open(path, 'r');
    try {
      return await nextBytes(handle, count);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError('read', path, error);
  }
}

async function refusePipe(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  if (found.isFile() || found.isDirectory()) return;
  throw new RankDistillmError('bad_input', `${path}: is a pipe or a device, but must be read more than once`, {
    hint: 'Write its content to a file and name that file.',
  });
}

async function nextBytes(handle: FileHandle, count: number): Promise<Buffer> {
  const buffer = Buffer.alloc(count);
  let length = 0;
  while (length < count) {
    const { bytesRead } = await handle.read(buffer, length, count - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** Whether a file is gzip, by content. */
export async function isGzip(path: string): Promise<boolean> {
  return isGzipMagic(await firstBytes(path, 2));
}

/** RFC 1952, 2.3.1. */
function isGzipMagic(start: Buffer): boolean {
  return start.length === 2 && start[0] === 0x1f && start[1] === 0x8b;
}

/** The content of a file or pipe in chunks, decompressed when it is gzip (also of several members). */
export async function* plainBytes(path: string): AsyncGenerator<Buffer> {
  let file: ReadStream | undefined;
  let gunzip: Gunzip | undefined;
  try {
    const handle = await open(path, 'r');
    file = handle.createReadStream({ highWaterMark: CHUNK_BYTES }); // closes the handle
    const start = await nextBytes(handle, 2); // a pipe can be read only once
    if (isGzipMagic(start)) {
      gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
      gunzip.write(start);
      file.on('error', (error) => gunzip?.destroy(error)).pipe(gunzip);
    } else if (start.length > 0) yield start;
    for await (const chunk of gunzip ?? file) yield chunk as Buffer;
  } catch (error) {
    throw wordReadError(path, error);
  } finally {
    file?.destroy();
    gunzip?.destroy();
  }
}

function wordReadError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined) return error;
  if (!code.startsWith('Z_')) return ioError('read', path, error);
  return new RankDistillmError(
    'bad_input',
    `${path}: the gzip data is damaged or truncated (${(error as Error).message})`,
    {
      hint: 'Download or compress the file again; `gzip -t` checks it.',
      cause: error,
    },
  );
}

/** The beginning of a file's content (decompressed), to detect its format; throws for pipes as `firstBytes` does. */
export async function firstPlainBytes(path: string, count: number): Promise<Buffer> {
  await refusePipe(path);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of plainBytes(path)) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= count) break;
  }
  return Buffer.concat(parts).subarray(0, count);
}

/** Passes the chunks through; first calls `look` with the first `count` bytes (or fewer). */
export async function* lookAt(
  chunks: AsyncIterable<Buffer>,
  count: number,
  look: (start: Buffer) => void,
): AsyncGenerator<Buffer> {
  let held: Buffer[] | undefined = [];
  let length = 0;
  for await (const chunk of chunks) {
    if (held === undefined) {
      yield chunk;
      continue;
    }
    held.push(chunk);
    length += chunk.length;
    if (length < count) continue;
    look(Buffer.concat(held).subarray(0, count));
    yield* held;
    held = undefined;
  }
  if (held === undefined) return;
  look(Buffer.concat(held));
  yield* held;
}
