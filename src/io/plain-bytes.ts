import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { ioError, RankDistillmError } from '../errors.js';

const CHUNK_BYTES = 256 * 1024;

/** The first bytes of a file, as many as there are up to `count`; nothing is decompressed. */
export async function firstBytes(path: string, count: number): Promise<Buffer> {
  try {
    const handle = await open(path, 'r');
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(count), 0, count, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError('read', path, error);
  }
}

/** Whether a file is gzip, by its first two bytes (RFC 1952, 2.3.1); names are not trusted. */
export async function isGzip(path: string): Promise<boolean> {
  const magic = await firstBytes(path, 2);
  return magic.length === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
}

/** The content of a file in chunks, decompressed when it is gzip (also of several members). */
export async function* plainBytes(path: string): AsyncGenerator<Buffer> {
  const gzip = await isGzip(path);
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const gunzip = gzip ? createGunzip({ chunkSize: CHUNK_BYTES }) : undefined;
  const stream = gunzip === undefined ? file : file.on('error', (error) => gunzip.destroy(error)).pipe(gunzip);
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw wordReadError(path, error);
  } finally {
    file.destroy();
    gunzip?.destroy();
  }
}

function wordReadError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined) return error;
  if (!code.startsWith('Z_')) return ioError('read', path, error);
  return new RankDistillmError(
    'bad_input',
    `${path}: the gzip data is damaged or cut off (${(error as Error).message})`,
    {
      hint: 'Fetch or compress the file again; `gzip -t` checks it.',
      cause: error,
    },
  );
}

/** The beginning of a file's content (decompressed), to tell its format. */
export async function firstPlainBytes(path: string, count: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of plainBytes(path)) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= count) break;
  }
  return Buffer.concat(parts).subarray(0, count);
}
