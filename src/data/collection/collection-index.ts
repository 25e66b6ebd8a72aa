import { createHash } from 'node:crypto';
import { closeSync, createWriteStream, openSync, readSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { open, type RootDatabase } from 'lmdb';
import { at, ioError, RankDistillmError, throwIfAborted } from '../../errors.js';
import { sync, writeAtomically } from '../../io/atomic-write.js';
import { leftoversIn, pathBeside } from '../../io/leftovers.js';
import { type Line, readLines } from '../../io/lines.js';
import { cacheFolder, makeFolder } from '../../io/make-folder.js';
import { firstBytes, isGzip, plainBytes } from '../../io/plain-bytes.js';
import { changedWhileRead } from '../../io/regions.js';
import { detectTextFormat, textRecord } from '../formats/texts.js';
import { MAX_ID_BYTES, packRegion, unpackRegion, type Region } from './document-index.js';

/** Version of the file layout below; part of the file names. */
const LAYOUT_VERSION = 1;
/** Documents per transaction: few enough not to block the event loop. */
const BATCH = 2_000;

/** LMDB's two meta pages, which it does not verify. */
const META_BYTES = 8192;

/** Files built from a collection. */
export interface CollectionFiles {
  /** LMDB file: document id → `packRegion`. */
  index: string;
  /** The collection itself, or its unpacked copy when it is gzipped. */
  plain: string;
  /** Describes the other two files as built, see `isWhole`. */
  record: string;
}

export interface CollectionIndexOptions {
  /** Folder for index files. Default: `collections` in the cache folder, or beside the file if that is not writable. */
  folder?: string;
  /** Called during indexing with the number of documents so far. */
  onProgress?: (documents: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Finds or builds the index of a collection: an LMDB file that maps document ids to line positions. The file name
 * encodes the collection's path, size, inode and modification time, so a stale index is never used (and is removed).
 * The index is built in a temporary folder and renamed, so two processes may build it at once.
 */
export async function collectionIndex(path: string, options: CollectionIndexOptions = {}): Promise<CollectionFiles> {
  const identity = await identify(path);
  const gzip = await isGzip(path);
  const folders =
    options.folder === undefined ? [join(cacheFolder(), 'collections'), dirname(identity.realPath)] : [options.folder];
  const filesIn = (folder: string): CollectionFiles => {
    const name = join(folder, `${identity.stem}-${identity.stamp}`);
    return { index: `${name}.lmdb`, plain: gzip ? `${name}.plain` : path, record: `${name}.json` };
  };
  for (const folder of folders) {
    const files = filesIn(folder);
    if (await isWhole(files)) return files;
  }
  const refusals: RankDistillmError[] = [];
  for (const folder of folders) {
    const files = filesIn(folder);
    const room = await makeRoom(folder, identity).catch((error: unknown) => {
      refusals.push(ioError('write', folder, error instanceof RankDistillmError ? error.cause : error));
    });
    if (room === undefined) continue;
    try {
      await build(path, gzip, files, room, options);
    } catch (error) {
      // an error without a code is a bug in this package
      const isOurs = error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined;
      throw isOurs ? error : unwritable(path, [ioError('write', folder, error)]);
    } finally {
      await rm(room, { recursive: true, force: true });
    }
    if ((await identify(path)).stamp !== identity.stamp) {
      await removeOlder(folder, { ...identity, stamp: '' });
      throw changedWhileRead(path);
    }
    return files;
  }
  throw unwritable(path, refusals);
}

function unwritable(path: string, refusals: RankDistillmError[]): RankDistillmError {
  const reasons = refusals.map(({ message }) => message).join('; ');
  return new RankDistillmError('io', `${path}: cannot write its index: ${reasons}`, {
    hint: 'Set XDG_CACHE_HOME to a folder you may write to, with space left.',
    cause: refusals[0],
  });
}

/**
 * Whether the files are intact. LMDB maps a file without checking its length or its meta pages: a truncated or sparse
 * file would crash the process.
 */
async function isWhole(files: CollectionFiles): Promise<boolean> {
  try {
    return (await readFile(files.record, 'utf8')) === (await describe(files));
  } catch {
    return false;
  }
}

async function describe({ index, plain }: CollectionFiles): Promise<string> {
  const sizes = await Promise.all([index, plain].map(async (path) => (await stat(path)).size));
  const meta = (await firstBytes(index, META_BYTES)).toString('base64');
  return JSON.stringify({ index: sizes[0], plain: sizes[1], meta: shortHash([meta]) });
}

interface Identity {
  realPath: string;
  /** The same for every version of the collection. */
  stem: string;
  /** Different for each version. */
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

/** Creates the folder to build in, and removes the leftovers of older versions and killed processes. */
async function makeRoom(folder: string, identity: Identity): Promise<string> {
  await makeFolder(folder);
  await removeOlder(folder, identity);
  const room = pathBeside(join(folder, `${identity.stem}-${identity.stamp}`), 'new');
  await mkdir(room);
  return room;
}

async function removeOlder(folder: string, identity: Identity): Promise<void> {
  const isOurs = (name: string): boolean => name.startsWith(`${identity.stem}-`);
  for (const { path, target, alive } of await leftoversIn(folder)) {
    if (isOurs(basename(target)) && !alive) await rm(path, { recursive: true, force: true });
  }
  for (const name of await readdir(folder)) {
    const isOlder = isOurs(name) && !name.startsWith(`${identity.stem}-${identity.stamp || ' '}`);
    if (isOlder && /\.(lmdb|lmdb-lock|plain|json)$/.test(name)) await rm(join(folder, name), { force: true });
  }
}

async function build(
  path: string,
  gzip: boolean,
  files: CollectionFiles,
  room: string,
  options: CollectionIndexOptions,
): Promise<void> {
  const index = join(room, 'index');
  const plain = join(room, 'plain');
  if (gzip) await unpack(path, plain, options.signal);
  const db = open<Buffer, string>({
    path: index,
    noSubdir: true,
    encoding: 'binary',
    cache: false,
    noSync: true, // synced once, below
  });
  try {
    await fill(db, path, gzip ? plain : path, options);
  } finally {
    await db.close();
  }
  await sync(index);
  if (gzip) {
    await sync(plain);
    await rename(plain, files.plain);
  }
  await rename(index, files.index);
  await sync(dirname(files.index));
  const description = await describe(files);
  await writeAtomically(files.record, (write) => write(description));
}

async function unpack(path: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await pipeline(plainBytes(path), createWriteStream(target, { flags: 'wx' }), { ...(signal && { signal }) });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}

async function fill(
  db: RootDatabase<Buffer, string>,
  path: string,
  plain: string,
  options: CollectionIndexOptions,
): Promise<void> {
  const format = await detectTextFormat(path);
  const textAt = ({ offset, length, line }: Region): string => {
    return textRecord(readSyncRegion(plain, offset, length), format, 'document', path, line).text;
  };
  let documents = 0;
  for await (const lines of readLines(path)) {
    for (let start = 0; start < lines.length; start += BATCH) {
      throwIfAborted(options.signal);
      const batch = lines.slice(start, start + BATCH);
      db.transactionSync(() => {
        for (const line of batch) {
          const { id, text } = textRecord(line.text, format, 'document', path, line.number);
          putOnce(db, id, line, path, (before) => textAt(before) === text);
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

/**
 * Synchronous, because an LMDB transaction cannot await. Duplicates are rare, so opening the file each time is fine.
 */
function readSyncRegion(path: string, offset: number, length: number): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(file, bytes, 0, length, offset) < length) throw changedWhileRead(path);
    return bytes.toString();
  } finally {
    closeSync(file);
  }
}

/** @param isSame whether the document at a position has the same text: then the duplicate is ignored */
function putOnce(
  db: RootDatabase<Buffer, string>,
  id: string,
  line: Line,
  path: string,
  isSame: (before: Region) => boolean,
): void {
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
    const region = unpackRegion(before);
    if (isSame(region)) return;
    throw new RankDistillmError(
      'bad_input',
      `${at(path, line.number)}: document '${id}' has a different text on line ${region.line}`,
      { hint: 'Keep one of the two lines, or give one document another id.' },
    );
  }
  db.putSync(id, packRegion({ offset: line.offset, length: line.length, line: line.number }));
}
