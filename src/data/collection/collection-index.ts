import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ioError, RankDistillmError } from '../../errors.js';
import { gzipsInTar } from '../../fetch/unpack.js';
import { sync } from '../../io/atomic-write.js';
import { pathBeside, removeStrays } from '../../io/leftovers.js';
import { cacheFolder, makeFolder, PRIVATE_MODE } from '../../io/make-folder.js';
import { isGzip, isTar, plainBytes } from '../../io/plain-bytes.js';
import { changedWhileRead, chunksOf } from '../../io/regions.js';
import { detectTextFormat, type TextFormat } from '../formats/texts.js';
import { DocumentIndex, STAMP_CHARACTERS } from './document-index.js';
import { writeIndex } from './index-writer.js';

/** Version of the files; part of their names. */
const LAYOUT_VERSION = 2;
/** Size of text by that of its gzip, about. */
const TEXT_COMPRESSION = 3;

/** A collection with its index, open for reading. */
export interface IndexedCollection {
  format: TextFormat;
  index: DocumentIndex;
  /** The collection itself, or its unpacked copy when it is packed: absolute, since the working directory may change. */
  plainPath: string;
  plain: FileHandle;
  isCopy: boolean;
}

export interface CollectionIndexOptions {
  /** Folder for index files. Default: `collections` in the cache folder, or beside the file if that is not writable. */
  folder?: string;
  /** Called during indexing with the number of documents so far. */
  onProgress?: (documents: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Opens a collection with its index, which maps document ids to positions of lines; builds the index if there is none.
 * The name of its file encodes the collection's path, size, inode and modification time, so a stale index is never used
 * (and is removed). It is built in a temporary folder and renamed when it is complete, so any number of processes may
 * build it at once, and none waits for another. A damaged index is built again.
 */
export async function openIndexed(path: string, options: CollectionIndexOptions = {}): Promise<IndexedCollection> {
  const collection = await identify(path);
  const folders =
    options.folder === undefined
      ? [join(cacheFolder(), 'collections'), dirname(collection.realPath)]
      : [options.folder];
  for (const folder of folders) {
    const found = await openIn(folder, collection);
    if (found !== undefined) return found;
  }
  const refusals: RankDistillmError[] = [];
  for (const folder of folders) {
    const room = await makeRoom(folder, collection).catch((error: unknown) => {
      refusals.push(ioError('write', folder, error instanceof RankDistillmError ? error.cause : error));
    });
    if (room === undefined) continue;
    try {
      await build(collection, filesIn(folder, collection), room, options);
    } catch (error) {
      // an error without a code is a bug in this package
      const isOurs = error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined;
      throw isOurs ? error : unwritable(path, [ioError('write', folder, error)]);
    } finally {
      await rm(room, { recursive: true, force: true });
    }
    const built = await openIn(folder, collection);
    if (built !== undefined) return built;
    await removeOlder(folder, { ...collection, stamp: '' });
    throw changedWhileRead(path);
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

/** Files built from a collection. */
interface CollectionFiles {
  index: string;
  /** The collection itself, or its unpacked copy when it is packed. */
  plain: string;
}

function filesIn(folder: string, { path, unpack, stem, stamp }: Collection): CollectionFiles {
  const name = join(folder, `${stem}-${stamp}`);
  return { index: `${name}.index`, plain: unpack ? `${name}.plain` : path };
}

/** Opens what was built before; undefined if it is missing, damaged or does not fit the collection as it is now. */
async function openIn(folder: string, collection: Collection): Promise<IndexedCollection | undefined> {
  const files = filesIn(folder, collection);
  const index = await DocumentIndex.open(files.index, collection.stamp);
  if (index === undefined) return undefined;
  let plain: FileHandle | undefined;
  try {
    plain = await open(files.plain, 'r');
    const { format, unpack, mode, stamp, path } = collection;
    const found = await plain.stat({ bigint: true });
    const fits = unpack
      ? Number(found.size) === index.plainBytes && !isMoreOpen(Number(found.mode), mode)
      : stampOf(found) === stamp;
    // the collection may have been replaced since it was identified
    if (fits && (await identify(path)).stamp === stamp) {
      const opened = { format, index, plain, plainPath: resolve(files.plain), isCopy: unpack !== undefined };
      plain = undefined;
      return opened;
    }
  } catch (error) {
    if (error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined) throw error;
  } finally {
    if (plain !== undefined) await plain.close();
  }
  index.close();
  return undefined;
}

/** Whether others may read a file that they may not read where it comes from. */
function isMoreOpen(mode: number, than: number): boolean {
  return (mode & ~than & 0o077) !== 0;
}

interface Collection {
  path: string;
  realPath: string;
  /** Undefined for a file that is read as it is. */
  unpack: Unpack | undefined;
  format: TextFormat;
  mode: number;
  size: number;
  /** The same for every version of the collection. */
  stem: string;
  /** Different for each version. */
  stamp: string;
}

type Unpack = (path: string) => AsyncGenerator<Buffer>;

async function identify(path: string): Promise<Collection> {
  const isPacked = await isGzip(path); // refuses a pipe
  const unpack = isPacked ? plainBytes : (await isTar(path)) ? gzipsInTar : undefined;
  const format = await detectTextFormat(path, unpack);
  try {
    const realPath = await realpath(path);
    const found = await stat(realPath, { bigint: true });
    const stem = `${basename(realPath).slice(0, 50)}-${shortHash([realPath])}`;
    const [mode, size] = [Number(found.mode), Number(found.size)];
    return { path, realPath, unpack, format, mode, size, stem, stamp: stampOf(found) };
  } catch (error) {
    throw ioError('read', path, error);
  }
}

function stampOf({ size, mtimeNs, ino, dev }: BigIntStats): string {
  return shortHash([LAYOUT_VERSION, ...[size, mtimeNs, ino, dev].map(String)]);
}

function shortHash(parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, STAMP_CHARACTERS);
}

/** Creates the folder to build in, and removes the leftovers of older versions and killed processes. */
async function makeRoom(folder: string, collection: Collection): Promise<string> {
  await makeFolder(folder, PRIVATE_MODE);
  await removeOlder(folder, collection);
  const room = pathBeside(join(folder, `${collection.stem}-${collection.stamp}`), 'new');
  await mkdir(room, PRIVATE_MODE);
  return room;
}

async function removeOlder(folder: string, { stem, stamp }: Pick<Collection, 'stem' | 'stamp'>): Promise<void> {
  const isOurs = (name: string): boolean => name.startsWith(`${stem}-`);
  await removeStrays(folder);
  for (const name of await readdir(folder)) {
    const isOlder = isOurs(name) && !name.startsWith(`${stem}-${stamp || ' '}`);
    // lmdb and json: of earlier versions of this package
    if (isOlder && /\.(index|plain|lmdb|lmdb-lock|json)$/.test(name)) await rm(join(folder, name), { force: true });
  }
}

async function build(
  { path, format, stamp, unpack, mode, size }: Collection,
  files: CollectionFiles,
  room: string,
  progress: CollectionIndexOptions,
): Promise<void> {
  const index = join(room, 'index');
  const copy = join(room, 'plain');
  const ownMode = (mode & 0o666) | 0o600;
  const plain = unpack ? await open(copy, 'wx+', ownMode) : await open(path, 'r');
  try {
    const chunks = unpack ? copied(unpack(path), plain) : chunksOf(plain, path);
    const expectedBytes = unpack ? size * TEXT_COMPRESSION : size;
    await writeIndex({ path, format, stamp, expectedBytes, chunks, plain }, index, ownMode, progress);
    if (unpack) await plain.sync();
  } finally {
    await plain.close();
  }
  if (unpack) await rename(copy, files.plain);
  await rename(index, files.index);
  await sync(dirname(files.index));
}

/** Writes what passes through: a line is checked before the rest is unpacked. */
async function* copied(chunks: AsyncIterable<Buffer>, file: FileHandle): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await file.writeFile(chunk);
    yield chunk;
  }
}
