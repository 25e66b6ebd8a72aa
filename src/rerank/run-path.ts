import { isAbsolute, join, relative, resolve } from 'node:path';
import type { Checkpoint } from '../models/checkpoint.js';
import { RankDistillmError } from '../errors.js';
import { assertWritable } from '../io/output-file.js';

/** Below a model's folder, or the working directory. */
export const RUNS = 'runs';

/**
 * Where runs go that name no folder: `<model folder>/runs`, as lightning-ir's ReRankCallback puts them. A model of the hub
 * cache has no folder of the user's, so its runs go to `./runs/<id>`; so do those of a folder that cannot be written to,
 * by its whole path from the working directory, or from the root where it is elsewhere.
 *
 * @param onNote hears where they go when it is not the model's folder although there is one
 */
export async function defaultRunFolder(
  { name, folder }: Checkpoint,
  revision: string | undefined,
  onNote: (message: string) => void,
): Promise<string> {
  // a name of the hub was resolved to a folder of another name
  if (folder !== name) return join(RUNS, revision === undefined ? name : `${name}@${revision}`);
  const beside = join(folder, RUNS);
  try {
    await assertWritable(join(beside, 'a.run'));
    return beside;
  } catch (error) {
    if (!(error instanceof RankDistillmError)) throw error;
    const elsewhere = join(RUNS, pathAsName(folder));
    onNote(`${beside} cannot be written to, so runs go to ${elsewhere}; save_dir names another folder`);
    return elsewhere;
  }
}

/** A path without leading `..` and `/`, one for each folder. */
function pathAsName(folder: string): string {
  const fromHere = relative('.', folder);
  return isAbsolute(fromHere) || fromHere.startsWith('..') ? join('.', resolve(folder)).slice(1) : fromHere;
}
