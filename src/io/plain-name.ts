import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';

// Names that stand in a file (a training state, the index of a sharded model) come from whoever wrote the file. Joined
// to a folder, `../other` or `/etc` would lead out of it, to be read, written or removed.

/** Whether a name from a file is that of an entry of a folder: joined to a folder, it stays directly below it. */
export function isPlainName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}

/**
 * The path of an entry of `folder` that a file names.
 *
 * @param place the file and the key that hold the name, for the error
 * @throws RankDistillmError `bad_input` if the name leads anywhere else
 */
export function pathOfPlainName(folder: string, name: unknown, place: string, hint: string): string {
  if (isPlainName(name)) return join(folder, name);
  const shown = JSON.stringify(name) ?? String(name);
  throw new RankDistillmError('bad_input', `${place}: expected the name of a file in ${folder}, found ${shown}`, {
    hint,
  });
}
