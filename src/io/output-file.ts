import { readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';

/**
 * The file that stands for `path` when it is written: links are followed, also to where there is no file yet, so that a
 * file renamed to it leaves the links as they are.
 *
 * @throws RankDistillmError `io` for what is there and is no regular file
 */
export async function outputFile(path: string): Promise<string> {
  try {
    const found = await stat(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
    if (found?.isDirectory()) throw ioError('write', path, { code: 'EISDIR' });
    if (found && !found.isFile()) throw notRegular(path);
    if (found) return await realpath(path);
    const link = await readlink(path).catch(() => undefined); // no link, or nothing at all
    if (link === undefined) return resolve(path);
    return await outputFile(resolve(await realpath(dirname(path)), link));
  } catch (error) {
    throw error instanceof RankDistillmError ? error : ioError('write', path, error);
  }
}

function notRegular(path: string): RankDistillmError {
  return new RankDistillmError('io', `${path}: cannot write: is no regular file`, {
    hint: 'Name a regular file; `score` writes to standard output with --output -.',
  });
}
