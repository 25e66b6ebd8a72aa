import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ioError, RankDistillmError } from '../../errors.js';
import { sync } from '../../io/atomic-write.js';
import { pathBeside, removeStrays } from '../../io/leftovers.js';
import { cacheFolder, makeFolder, PRIVATE_MODE } from '../../io/make-folder.js';
import { changedWhileRead } from '../../io/regions.js';
import { DocumentIndex, STAMP_CHARACTERS } from './document-index.js';
import { type IndexSource, writeIndex } from './index-writer.js';

/** Version of the files; part of their names. */
const LAYOUT_VERSION = 2;

export interface CollectionIndexOptions {
  /** Folder for index files. Default: `collections` (`runs`) in the cache folder, or beside the file if that is not writable. */
  folder?: string;
  /** Runs of this size in bytes or more are kept in the cache folder, grouped by topic. Default 16 MiB. */
  runsFrom?: number;
  /** Called during indexing with the number of documents so far. */
  onProgress?: (documents: number) => void;
  signal?: AbortSignal | undefined;
}

/** How a file is indexed. */
export interface IndexedKind {
  /** Folder in the cache folder. */
  name: 'collections' | 'runs';
  /** What the index also depends on. */
  options: readonly (string | boolean)[];
  /** Whether lines are read from a copy that is made with the index: the file is packed, or of another format. */
  isCopy: boolean;
  /** Size of the plain text by the size of the file, about. */
  expansion: number;
  /**
   * The lines and how to compare them.
   *
   * @param plain the file itself, or the empty copy, to be written
   */
  read(plain: FileHandle): Pick<IndexSource, 'entries' | 'compare' | 'refuse'>;
}

/** A file with its index, open for reading. */
export interface IndexedFile {
  index: DocumentIndex;
  /** The file itself, or its copy: absolute, since the working directory may change. */
  plainPath: string;
  plain: FileHandle;
  /** Names this version of the file: the path of the index without its suffix. */
  stem: string;
}

/**
 * Opens a file with its index, which maps ids to positions of lines; builds the index if there is none. The name of its
 * file encodes the indexed file's path, size, inode and modification time, so a stale index is never used (and is
 * removed). It is built in a temporary folder and renamed when it is complete, so any number of processes may build it
 * at once, and none waits for another. A damaged index is built again.
 */
export async function openIndexedFile(
  path: string,
  kind: IndexedKind,
  options: CollectionIndexOptions,
): Promise<IndexedFile> {
  const file = await identify(path, kind);
  const folders =
    options.folder === undefined ? [join(cacheFolder(), kind.name), dirname(file.realPath)] : [options.folder];
  for (const folder of folders) {
    const found = await openIn(folder, file);
    if (found !== undefined) return found;
  }
  const refusals: RankDistillmError[] = [];
  for (const folder of folders) {
    const room = await makeRoom(folder, file).catch((error: unknown) => {
      refusals.push(ioError('write', folder, error instanceof RankDistillmError ? error.cause : error));
    });
    if (room === undefined) continue;
    try {
      await build(file, filesIn(folder, file), room, options);
    } catch (error) {
      // an error without a code is a bug in this package
      const isOurs = error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined;
      throw isOurs ? error : unwritable(path, [ioError('write', folder, error)]);
    } finally {
      await rm(room, { recursive: true, force: true });
    }
    const built = await openIn(folder, file);
    if (built !== undefined) return built;
    await removeOlder(folder, { ...file, stamp: '' });
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

interface BuiltFiles {
  index: string;
  /** The file itself, or its copy. */
  plain: string;
}

function filesIn(folder: string, { path, kind, stem, stamp }: Source): BuiltFiles {
  const name = join(folder, `${stem}-${stamp}`);
  return { index: `${name}.index`, plain: kind.isCopy ? `${name}.plain` : path };
}

/** Opens what was built before; undefined if it is missing, damaged or does not fit the file as it is now. */
async function openIn(folder: string, source: Source): Promise<IndexedFile | undefined> {
  const files = filesIn(folder, source);
  const index = await DocumentIndex.open(files.index, source.stamp);
  if (index === undefined) return undefined;
  let plain: FileHandle | undefined;
  try {
    plain = await open(files.plain, 'r');
    const { kind, mode, stamp, path } = source;
    const found = await plain.stat({ bigint: true });
    const fits = kind.isCopy
      ? Number(found.size) === index.plainBytes && !isMoreOpen(Number(found.mode), mode)
      : stampOf(found, kind) === stamp;
    // the file may have been replaced since it was identified
    if (fits && (await identify(path, kind)).stamp === stamp) {
      const opened = { index, plain, plainPath: resolve(files.plain), stem: files.index.replace(/\.index$/, '') };
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

interface Source {
  path: string;
  realPath: string;
  kind: IndexedKind;
  mode: number;
  size: number;
  /** The same for every version of the file. */
  stem: string;
  /** Different for each version. */
  stamp: string;
}

async function identify(path: string, kind: IndexedKind): Promise<Source> {
  try {
    const realPath = await realpath(path);
    const found = await stat(realPath, { bigint: true });
    const stem = `${basename(realPath).slice(0, 50)}-${shortHash([realPath])}`;
    const [mode, size] = [Number(found.mode), Number(found.size)];
    return { path, realPath, kind, mode, size, stem, stamp: stampOf(found, kind) };
  } catch (error) {
    throw ioError('read', path, error);
  }
}

function stampOf({ size, mtimeNs, ino, dev }: BigIntStats, { options }: IndexedKind): string {
  return shortHash([LAYOUT_VERSION, ...[size, mtimeNs, ino, dev].map(String), ...options]);
}

function shortHash(parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, STAMP_CHARACTERS);
}

/** Creates the folder to build in, and removes the leftovers of older versions and killed processes. */
async function makeRoom(folder: string, source: Source): Promise<string> {
  await makeFolder(folder, PRIVATE_MODE);
  await removeOlder(folder, source);
  const room = pathBeside(join(folder, `${source.stem}-${source.stamp}`), 'new');
  await mkdir(room, PRIVATE_MODE);
  return room;
}

async function removeOlder(folder: string, { stem, stamp }: Pick<Source, 'stem' | 'stamp'>): Promise<void> {
  const isOurs = (name: string): boolean => name.startsWith(`${stem}-`);
  await removeStrays(folder);
  for (const name of await readdir(folder)) {
    const isOlder = isOurs(name) && !name.startsWith(`${stem}-${stamp || ' '}`);
    // lmdb and json: of earlier versions of this package
    if (isOlder && /\.(index|plain|survey|lmdb|lmdb-lock|json)$/.test(name))
      await rm(join(folder, name), { force: true });
  }
}

async function build(
  { path, kind, stamp, mode, size }: Source,
  files: BuiltFiles,
  room: string,
  progress: CollectionIndexOptions,
): Promise<void> {
  const index = join(room, 'index');
  const copy = join(room, 'plain');
  const ownMode = (mode & 0o666) | 0o600;
  const plain = kind.isCopy ? await open(copy, 'wx+', ownMode) : await open(path, 'r');
  try {
    const source = { path, stamp, expectedBytes: size * kind.expansion, ...kind.read(plain) };
    await writeIndex(source, index, ownMode, progress);
    if (kind.isCopy) await plain.sync();
  } finally {
    await plain.close();
  }
  if (kind.isCopy) await rename(copy, files.plain);
  await rename(index, files.index);
  await sync(dirname(files.index));
}
