import { open, readlink, realpath, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import { pathBeside } from './leftovers.js';

/**
 * The file that a write to `path` changes: follows links, even to missing files, so that a rename to the result keeps
 * the links.
 *
 * @throws RankDistillmError `io` if it exists and is not a regular file
 */
export async function outputFile(path: string): Promise<string> {
  try {
    const found = await stat(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
    if (found?.isDirectory()) throw ioError('write', path, { code: 'EISDIR' });
    if (found && !found.isFile()) throw notRegular(path);
    if (found) return await realpath(path);
    const link = await readlink(path).catch(() => undefined); // not a link, or missing
    if (link === undefined) return resolve(path);
    return await outputFile(resolve(await realpath(dirname(path)), link));
  } catch (error) {
    throw error instanceof RankDistillmError ? error : ioError('write', path, error);
  }
}

function notRegular(path: string): RankDistillmError {
  return new RankDistillmError('io', `${path}: cannot write: is not a regular file`, {
    hint: 'Name a regular file; `score` writes to standard output with --output -.',
  });
}

/** An output with less free space than this is refused before it is begun. */
const LEAST_BYTES = 64 * 1024;

/**
 * Checks before hours of work that the output can be written, by trying: modes do not show full or read-only file
 * systems and do not apply to root.
 *
 * @param bytes how long the output will be at least
 */
export async function assertWritable(output: string, bytes = LEAST_BYTES): Promise<void> {
  const target = await outputFile(output);
  // a name in a folder that is still missing is not looked up
  if (target.split('/').some((name) => Buffer.byteLength(name) > 255)) {
    throw ioError('write', output, { code: 'ENAMETOOLONG' });
  }
  let folder = dirname(target);
  let parent = await statOf(folder);
  while (!parent) {
    folder = dirname(folder);
    parent = await statOf(folder);
  }
  if (!parent.isDirectory()) throw ioError('write', output, { code: 'ENOTDIR' });
  await assertSpace(folder, output, bytes);
  const probe = pathBeside(join(folder, 'probe'), 'new');
  try {
    await (await open(probe, 'wx', 0o600)).close();
    await rm(probe);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The folder exists, so ENOENT means that files may not be created in it (as in /proc).
    throw ioError('write', output, code === 'ENOENT' ? { code: 'EACCES' } : error);
  }
}

async function assertSpace(folder: string, output: string, bytes: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder).catch((error: unknown) =>
    Promise.reject(ioError('write', output, error)),
  );
  // /proc and some network file systems count no blocks
  if (blocks > 0 && bavail * bsize < bytes) throw ioError('write', output, { code: 'ENOSPC' });
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw ioError('write', path, error);
  }
}

/** Whether a path exists; a dangling link does not. */
export async function isThere(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}
