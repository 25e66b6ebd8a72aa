import { open, readlink, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
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

/**
 * Refuses outputs that are one of the inputs, by another name or through a link.
 *
 * @throws RankDistillmError `bad_input`
 */
export async function refuseOverInputs(
  outputs: readonly string[],
  inputs: readonly string[],
  hint = 'Choose another path for the output.',
): Promise<void> {
  const taken = new Map<string, string>();
  for (const input of inputs) {
    const id = await fileId(input);
    if (id) taken.set(id, input);
  }
  for (const output of outputs) {
    const id = await fileId(output);
    const input = id === undefined ? undefined : taken.get(id);
    if (input === undefined) continue;
    throw new RankDistillmError('bad_input', `${output}: would be written over the input ${input}`, { hint });
  }
}

/**
 * Finds out before hours of work whether a file can be written at the end of them. Trying is the only sure way: modes
 * say nothing about full or read-only file systems, nor to root.
 */
export async function assertWritable(output: string): Promise<void> {
  let folder = dirname(await outputFile(output));
  let parent = await statOf(folder);
  while (!parent) {
    folder = dirname(folder);
    parent = await statOf(folder);
  }
  if (!parent.isDirectory()) throw ioError('write', output, { code: 'ENOTDIR' });
  const probe = join(folder, `.rank-distillm-probe-${process.pid}`);
  try {
    await (await open(probe, 'w')).close();
    await rm(probe);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The folder is there, so what cannot be found is a right to make files in it (/proc says ENOENT).
    throw ioError('write', output, code === 'ENOENT' ? { code: 'EACCES' } : error);
  }
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

/** Whether something is there; a link that leads nowhere is not. */
export async function isThere(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}

/** Tells files apart whatever their paths look like: a link to a file is that file. */
async function fileId(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // it does not exist, so nothing can be overwritten
  }
}
