import { constants, createReadStream, openSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { ioError, RankDistillmError, throwIfAborted } from '../errors.js';
import { readRegularFile, tooLarge, type ReadLimit } from './regular-file.js';

const CHUNK_BYTES = 256 * 1024;
/** Text shrinks 3 to 30 fold, zeros a thousandfold. Beyond this, and beyond a size that disks have, it is a bomb. */
export const BOMB_RATIO = 300;
export const BOMB_BYTES = 256 * 2 ** 20;

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
  return start[0] === 0x1f && start[1] === 0x8b;
}

/** Whether a file is a tar (POSIX, `ustar`), by content. */
export async function isTar(path: string): Promise<boolean> {
  return (await firstBytes(path, 262)).toString('latin1', 257) === 'ustar';
}

/** Formats that are refused by their names: what a file begins with (at `offset`) and how to unpack it. */
const FOREIGN = [
  { name: 'Zstandard', magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: 'zstd -d' },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], unpack: 'bunzip2' },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], unpack: 'unxz' },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04], unpack: 'unzip' },
  { name: 'tar', magic: [0x75, 0x73, 0x74, 0x61, 0x72], offset: 257, unpack: 'tar xf' },
];
/** Enough to tell them apart, except tar. */
const MAGIC_BYTES = 6;

function refuseForeign(path: string, start: Buffer): void {
  const found = FOREIGN.find(({ magic, offset = 0 }) => magic.every((byte, i) => start[offset + i] === byte));
  // a topic may be called BZh: text goes on with text
  if (!found || (found.name === 'bzip2' && !/^[1-9]1A/.test(start.toString('latin1', 3, 6)))) return;
  throw new RankDistillmError('unsupported', `${path}: is a ${found.name} file, which is not read; gzip is`, {
    hint: `Unpack it first: ${found.unpack} ${path}`,
  });
}

/** The content of a file or pipe in chunks, decompressed when it is gzip (also of several members). */
export async function* plainBytes(path: string): AsyncGenerator<Buffer> {
  const chunks = storedBytes(path);
  let packed: Readable | undefined;
  let gunzip: Gunzip | undefined;
  try {
    const start = await firstOf(chunks, MAGIC_BYTES); // a pipe can be read only once
    refuseForeign(path, start);
    const size = { packed: start.length, plain: 0 };
    const all = async function* (): AsyncGenerator<Buffer> {
      if (start.length > 0) yield start;
      for await (const chunk of chunks) {
        size.packed += chunk.length;
        yield chunk;
      }
    };
    if (!isGzipMagic(start)) {
      yield* all();
      return;
    }
    packed = Readable.from(all(), { highWaterMark: 1 });
    gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
    const target = gunzip;
    packed.on('error', (error) => target.destroy(error)).pipe(target);
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      size.plain += chunk.length;
      if (size.plain > BOMB_BYTES && size.plain > BOMB_RATIO * size.packed) throw gzipBomb(path);
      yield chunk;
    }
  } catch (error) {
    throw wordReadError(path, error);
  } finally {
    packed?.destroy();
    gunzip?.destroy();
    await chunks.return(undefined);
  }
}

/** A whole file or pipe, of at most `limit.bytes` bytes. The size of a file is checked before it is read. */
export async function wholeBytes(path: string, limit: ReadLimit): Promise<Buffer> {
  const found = await stat(path).catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  if (found.isFile()) return readRegularFile(path, limit);
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of storedBytes(path)) {
      throwIfAborted(limit.signal);
      length += chunk.length;
      if (length > limit.bytes) throw tooLarge(path, length, limit);
      parts.push(chunk);
    }
  } catch (error) {
    throw wordReadError(path, error);
  }
  return Buffer.concat(parts);
}

/** The stored bytes of a file, pipe or device. */
async function* storedBytes(path: string): AsyncGenerator<Buffer> {
  const isPipe = (await stat(path)).isFIFO();
  // Opening a pipe waits for a writer, in a thread that nothing can stop, so that Ctrl-C could not end the process.
  // A socket waits in the event loop.
  const file: Readable = isPipe
    ? new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false })
    : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  try {
    yield* file as AsyncIterable<Buffer>;
  } finally {
    file.destroy();
  }
}

/** The first chunks together: at least `count` bytes, if there are as many. */
async function firstOf(chunks: AsyncGenerator<Buffer>, count: number): Promise<Buffer> {
  let start: Buffer = Buffer.alloc(0);
  while (start.length < count) {
    const next = await chunks.next();
    if (next.done === true) break;
    start = start.length === 0 ? next.value : Buffer.concat([start, next.value]);
  }
  return start;
}

/** The error for what unpacks to more than that. */
export function gzipBomb(path: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${path}: more than ${BOMB_RATIO} times as large when unpacked`, {
    hint: 'This does not look like text; check what the file is, or unpack it yourself with `gunzip`.',
  });
}

function wordReadError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined || error instanceof RankDistillmError) return error;
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
export async function firstPlainBytes(path: string, count: number, unpack = plainBytes): Promise<Buffer> {
  await refusePipe(path);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of unpack(path)) {
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
