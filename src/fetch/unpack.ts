import { isAscii } from 'node:buffer';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import yauzl from 'yauzl';
import { ioError, RankDistillmError, throwIfAborted } from '../errors.js';
import { sync } from '../io/atomic-write.js';
import { pathBeside, removeStrays } from '../io/leftovers.js';
import { makeFolder } from '../io/make-folder.js';
import { BOMB_BYTES, BOMB_RATIO, gzipBomb, isGzip, plainBytes } from '../io/plain-bytes.js';
import { repairUtf8 } from '../io/text.js';
import { noSpace } from './download.js';
import { downloadListener } from './downloads.js';

/** How a file is made from an archive. */
export interface Unpacking {
  /** `tar`, also gzipped; `tar of gzips`: the members that end in .gz, unpacked and one after the other. */
  unpack: 'tar' | 'zip' | 'gzip' | 'tar of gzips';
  /** Of a tar or a zip. */
  member?: string;
  /**
   * `repair`: UTF-8 that was encoded twice, see `repairUtf8`. `ids`: the first two columns, of lines that repeat the
   * texts.
   */
  change?: 'repair' | 'ids';
}

/** Writes a file that is taken from an archive; it gets its name when it is complete. */
export function unpackTo(target: string, archive: string, how: Unpacking): Promise<void> {
  return writeTo(target, changed(archive, how));
}

/** Writes files one after the other into one. */
export function joinTo(target: string, paths: readonly string[]): Promise<void> {
  async function* all(): AsyncGenerator<Buffer> {
    for (const path of paths) yield* plainBytes(path);
  }
  return writeTo(target, all());
}

async function writeTo(target: string, chunks: AsyncIterable<Buffer>): Promise<void> {
  const { signal } = downloadListener();
  const temporary = pathBeside(target, 'new');
  try {
    await makeFolder(dirname(target));
    await removeStrays(dirname(target));
    await pipeline(Readable.from(chunks), createWriteStream(temporary, { flags: 'wx' }), { ...(signal && { signal }) });
    await sync(temporary);
    await rename(temporary, target);
    await sync(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throwIfAborted(signal);
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw noSpace({ name: basename(target), target, movedBy: 'IR_DATASETS_HOME' }, error);
    }
    const isKnown = error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined;
    throw isKnown ? error : ioError('write', target, error);
  }
}

/** The content of the gzip files in a tar, one after the other, as MS MARCO v2's passages are packed. */
export async function* gzipsInTar(archive: string): AsyncGenerator<Buffer> {
  const { size } = await stat(archive);
  let bytes = 0;
  for await (const chunk of tarMembers(archive, (name) => name.endsWith('.gz'), 'member that ends in .gz', true)) {
    bytes += chunk.length;
    if (bytes > Math.max(BOMB_BYTES, BOMB_RATIO * size)) throw gzipBomb(archive);
    yield chunk;
  }
}

function contentOf(archive: string, { unpack, member = '' }: Unpacking): AsyncIterable<Buffer> {
  switch (unpack) {
    case 'gzip':
      return plainBytes(archive);
    case 'zip':
      return zipMember(archive, member);
    case 'tar':
      return tarMembers(archive, (name) => name === member, `member ${member}`);
    case 'tar of gzips':
      return gzipsInTar(archive);
  }
}

async function* tarMembers(
  archive: string,
  isWanted: (name: string) => boolean,
  what: string,
  areGzips = false,
): AsyncGenerator<Buffer> {
  const tar = extract();
  const bytes = createReadStream(archive, { highWaterMark: 256 * 1024 });
  const reading = (await isGzip(archive)) ? pipeline(bytes, createGunzip(), tar) : pipeline(bytes, tar);
  reading.catch(() => undefined); // the loop below fails as well
  let found = false;
  try {
    for await (const entry of tar) {
      if (entry.header.type !== 'file' || !isWanted(entry.header.name)) {
        entry.resume();
        continue;
      }
      found = true;
      const content = areGzips ? createGunzip() : new PassThrough();
      // the loop fails as well
      pipeline(Readable.from(entry), content).catch(() => undefined);
      yield* content as AsyncIterable<Buffer>;
      if (!areGzips) break; // the rest of the archive is not read
    }
  } catch (error) {
    throw error instanceof RankDistillmError ? error : damaged(archive, error);
  } finally {
    tar.destroy();
    await reading.catch(() => undefined);
  }
  if (!found) throw damaged(archive, new Error(`has no ${what}`));
}

async function* zipMember(archive: string, member: string): AsyncGenerator<Buffer> {
  let zip: yauzl.ZipFile | undefined;
  try {
    zip = await yauzl.openPromise(archive, { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== member) continue;
      yield* (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>;
      return;
    }
  } catch (error) {
    throw damaged(archive, error);
  } finally {
    zip?.close();
  }
  throw damaged(archive, new Error(`has no member ${member}`));
}

/**
 * Writes members of a zip into a folder: those to which `placeOf` gives a path in it. Names that lead out of an archive are
 * refused (yauzl does that).
 */
export async function unzipTo(
  folder: string,
  archive: string,
  placeOf: (member: string) => string | undefined,
): Promise<void> {
  const { signal } = downloadListener();
  let zip: yauzl.ZipFile | undefined;
  try {
    zip = await yauzl.openPromise(archive, { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      const place = entry.fileName.endsWith('/') ? undefined : placeOf(entry.fileName);
      if (place === undefined) continue;
      const target = join(folder, place);
      await makeFolder(dirname(target));
      const content = await zip.openReadStreamPromise(entry);
      await pipeline(content, createWriteStream(target, { flags: 'wx' }), { ...(signal && { signal }) });
    }
  } catch (error) {
    throwIfAborted(signal);
    const isOfDisk = error instanceof RankDistillmError || (error as NodeJS.ErrnoException).syscall !== undefined;
    throw isOfDisk ? error : damaged(archive, error);
  } finally {
    zip?.close();
  }
}

function damaged(archive: string, cause: unknown): RankDistillmError {
  return new RankDistillmError('bad_input', `${archive}: cannot be unpacked: ${(cause as Error).message}`, {
    hint: 'Download the file again; if this package did that, delete it and the next call does.',
    cause,
  });
}

function changed(archive: string, how: Unpacking): AsyncIterable<Buffer> {
  if (how.change === undefined) return contentOf(archive, how);
  return how.change === 'repair'
    ? linewise(archive, how, (block) => (isAscii(block) ? block : Buffer.from(repairUtf8(block.toString('utf8')))))
    : linewise(archive, how, (block) =>
        Buffer.from(block.toString('latin1').replace(/^([^\t\n]*\t[^\t\n]*).*$/gm, '$1'), 'latin1'),
      );
}

/** A line of a passage has 2 kB. */
const MOST_LINE_BYTES = 64 * 1024 * 1024;

/** Changes blocks of whole lines. */
async function* linewise(archive: string, how: Unpacking, change: (block: Buffer) => Buffer): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of contentOf(archive, how)) {
    const end = chunk.lastIndexOf(10) + 1;
    if (end > 0) {
      yield change(Buffer.concat([...rest, chunk.subarray(0, end)]));
      rest = [];
      bytes = 0;
    }
    if (end < chunk.length) rest.push(chunk.subarray(end));
    bytes += chunk.length - end;
    if (bytes > MOST_LINE_BYTES) throw damaged(archive, new Error('it has a line of more than 64 MiB'));
  }
  if (rest.length > 0) yield change(Buffer.concat(rest));
}
