import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { once } from 'node:events';
import { open, type RootDatabase } from 'lmdb';
import { at, ioError, RankDistillmError, throwIfAborted } from '../errors.js';
import { cacheFolder } from '../io/cache-folder.js';
import { readLines, type Line } from '../io/lines.js';
import { makeFolder } from '../io/make-folder.js';
import { isGzip, plainBytes } from '../io/plain-bytes.js';
import { changedWhileRead } from '../io/read-region.js';
import { detectTextFormat } from './formats/text-format.js';
import { textRecord } from './formats/text-record.js';

/** Changes whenever the files below are laid out differently; it is part of their names. */
const LAYOUT_VERSION = 1;
/** LMDB's limit at its usual page size, less what the key's encoding may add. */
const MAX_ID_BYTES = 1900;
/** Documents put in one transaction: short enough that the event loop does not starve. */
const BATCH = 2_000;

/** Files made from a collection. */
export interface CollectionFiles {
  /** LMDB file: document id → `packRegion`. */
  index: string;
  /** The collection itself, or its unpacked copy when it is gzipped. */
  plain: string;
}

export interface CollectionIndexOptions {
  /** Where index files are kept. Default: `collections` in the cache folder, or beside the file if that cannot be written. */
  folder?: string;
  /** Called while an index is built, with the documents so far. */
  onProgress?: (documents: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Finds the index of a collection, or builds it: an LMDB file that leads from a document id to the place of its line. The
 * file's name holds the collection's path, size, inode and time of change, so an index of an older version is never
 * used (and is removed). It is built under a temporary name, then renamed: two processes may do so at once.
 */
export async function collectionIndex(path: string, options: CollectionIndexOptions = {}): Promise<CollectionFiles> {
  const identity = await identify(path);
  const gzip = await isGzip(path);
  const folders =
    options.folder === undefined ? [join(cacheFolder(), 'collections'), dirname(identity.realPath)] : [options.folder];
  const filesIn = (folder: string): CollectionFiles => ({
    index: join(folder, `${identity.stem}-${identity.stamp}.lmdb`),
    plain: gzip ? join(folder, `${identity.stem}-${identity.stamp}.plain`) : path,
  });
  for (const folder of folders) {
    const files = filesIn(folder);
    if ((await exists(files.index)) && (await exists(files.plain))) return files;
  }
  let failure: unknown;
  for (const folder of folders) {
    try {
      await makeFolder(folder);
      await removeOlder(folder, identity);
      await build(path, gzip, filesIn(folder), options);
      if ((await identify(path)).stamp !== identity.stamp) {
        await removeOlder(folder, { ...identity, stamp: '' });
        throw changedWhileRead(path);
      }
      return filesIn(folder);
    } catch (error) {
      failure = error;
      if (!isUnwritable(error)) break;
    }
  }
  throw failure instanceof RankDistillmError ? failure : ioError('write', folders[0]!, failure);
}

interface Identity {
  realPath: string;
  /** The same for all versions of the collection. */
  stem: string;
  /** Another for each version. */
  stamp: string;
}

async function identify(path: string): Promise<Identity> {
  try {
    const realPath = await realpath(path);
    const { size, mtimeMs, ino, dev } = await stat(realPath);
    return {
      realPath,
      stem: `${basename(realPath)}-${shortHash([realPath])}`,
      stamp: shortHash([LAYOUT_VERSION, size, mtimeMs, ino, dev]),
    };
  } catch (error) {
    throw ioError('read', path, error);
  }
}

function shortHash(parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Errors after which another folder may still do. */
function isUnwritable(error: unknown): boolean {
  const cause = error instanceof RankDistillmError ? error.cause : error;
  return ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENOENT', 'EEXIST'].includes(
    (cause as NodeJS.ErrnoException | undefined)?.code ?? '',
  );
}

async function removeOlder(folder: string, identity: Identity): Promise<void> {
  for (const name of await readdir(folder)) {
    const ours = name.startsWith(`${identity.stem}-`) && /\.(lmdb|lmdb-lock|plain)$/.test(name);
    if (ours && !name.startsWith(`${identity.stem}-${identity.stamp || ' '}`))
      await rm(join(folder, name), { force: true });
  }
}

async function build(
  path: string,
  gzip: boolean,
  files: CollectionFiles,
  options: CollectionIndexOptions,
): Promise<void> {
  const temporary = `${files.index}.tmp-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const unpacked = gzip ? `${temporary}.plain` : undefined;
  try {
    if (unpacked !== undefined) await unpack(path, unpacked, options.signal);
    const db = open<Buffer, string>({
      path: temporary,
      noSubdir: true,
      encoding: 'binary',
      cache: false,
      noSync: true,
    });
    try {
      await fill(db, path, options);
    } finally {
      await db.close();
    }
    if (unpacked !== undefined) await rename(unpacked, files.plain);
    await rename(temporary, files.index);
  } finally {
    for (const left of [temporary, `${temporary}-lock`, unpacked])
      if (left !== undefined) await rm(left, { force: true });
  }
}

async function unpack(path: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  const stream = createWriteStream(target, { flags: 'wx' });
  const done = finished(stream);
  done.catch(() => undefined); // awaited below; without this line Node would call it unhandled
  try {
    for await (const chunk of plainBytes(path)) {
      throwIfAborted(signal);
      if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), done]);
    }
    stream.end();
    await done;
  } catch (error) {
    stream.destroy();
    throw error instanceof RankDistillmError ? error : ioError('write', target, error);
  }
}

async function fill(db: RootDatabase<Buffer, string>, path: string, options: CollectionIndexOptions): Promise<void> {
  const format = await detectTextFormat(path);
  let documents = 0;
  for await (const lines of readLines(path)) {
    for (let start = 0; start < lines.length; start += BATCH) {
      throwIfAborted(options.signal);
      const batch = lines.slice(start, start + BATCH);
      db.transactionSync(() => {
        for (const line of batch) {
          const { id } = textRecord(line.text, format, 'document', path, line.number);
          putOnce(db, id, line, path);
        }
      });
      documents += batch.length;
      await new Promise(setImmediate);
    }
    options.onProgress?.(documents);
  }
  if (documents === 0) {
    throw new RankDistillmError('bad_input', `${path}: the collection is empty`, {
      hint: 'A collection has one document a line: document id, tab, text.',
    });
  }
}

function putOnce(db: RootDatabase<Buffer, string>, id: string, line: Line, path: string): void {
  if (Buffer.byteLength(id) > MAX_ID_BYTES) {
    throw new RankDistillmError(
      'bad_input',
      `${at(path, line.number)}: the document id is longer than ${MAX_ID_BYTES} bytes`,
      {
        hint: 'Check that the columns are not swapped.',
      },
    );
  }
  const before = db.getBinaryFast(id);
  if (before !== undefined) {
    throw new RankDistillmError(
      'bad_input',
      `${at(path, line.number)}: document '${id}' occurs twice, first on line ${unpackRegion(before).line}`,
      { hint: 'Keep one line per document.' },
    );
  }
  db.putSync(id, packRegion({ offset: line.offset, length: line.length, line: line.number }));
}

/** Where a document's line is in the plain file, in bytes. */
export interface Region {
  offset: number;
  length: number;
  /** 1-based. */
  line: number;
}

/** Offset and line as float64, which holds integers up to 2^53, then the length as uint32. */
function packRegion(region: Region): Buffer {
  const bytes = Buffer.allocUnsafe(20);
  bytes.writeDoubleLE(region.offset, 0);
  bytes.writeDoubleLE(region.line, 8);
  bytes.writeUInt32LE(region.length, 16);
  return bytes;
}

export function unpackRegion(bytes: Buffer): Region {
  return { offset: bytes.readDoubleLE(0), line: bytes.readDoubleLE(8), length: bytes.readUInt32LE(16) };
}
