import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { ioError } from '../errors.js';

/** Mode of folders whose content is nobody else's business, as the XDG specification asks for a cache folder. */
export const PRIVATE_MODE = 0o700;

/**
 * Creates a folder and its parents. Node's `recursive` never returns if the file system reports ENOENT for a folder
 * that may not be created (/proc).
 *
 * @param mode of the created folders
 * @returns the created folders, outermost first, as absolute paths
 * @throws RankDistillmError `io` that names the folder
 */
export async function makeFolder(path: string, mode = 0o777): Promise<string[]> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await isThere(folder, path)); folder = dirname(folder)) missing.unshift(folder);
  const made: string[] = [];
  for (const folder of missing) {
    try {
      await mkdir(folder, mode);
      made.push(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue; // another process created it
      throw ioError('write', path, code === 'ENOENT' ? { code: 'EACCES' } : error);
    }
  }
  if (!(await stat(path)).isDirectory()) throw ioError('write', path, { code: 'ENOTDIR' });
  return made;
}

async function isThere(folder: string, path: string): Promise<boolean> {
  try {
    await stat(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw ioError('write', path, error);
  }
}

/**
 * The cache folder, for files that can be rebuilt: `$XDG_CACHE_HOME/rank-distillm`, else `~/.cache/rank-distillm` (XDG
 * Base Directory Specification 0.8; a relative XDG_CACHE_HOME is ignored, as specified). Not created here.
 */
export function cacheFolder(): string {
  const xdg = process.env['XDG_CACHE_HOME'];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'rank-distillm');
}
