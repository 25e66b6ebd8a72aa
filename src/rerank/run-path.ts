import { isAbsolute, join, relative, resolve } from 'node:path';
import type { Checkpoint } from '../models/checkpoint.js';
import { RankDistillmError } from '../errors.js';
import { assertWritable } from '../io/output-file.js';

/** Folder in the model's folder or the working directory. */
export const RUNS = 'runs';

/**
 * Default folder of runs: `<model folder>/runs`, as in lightning-ir's ReRankCallback. For a model of the hub cache it
 * is `./runs/<id>`. For a read-only model folder it is `./runs/<path>`, with the path relative to the working
 * directory, or absolute if the folder is outside of it.
 *
 * @param onNote receives a message when the model's folder is read-only
 */
export async function defaultRunFolder(
  { name, folder }: Checkpoint,
  revision: string | undefined,
  onNote: (message: string) => void,
): Promise<string> {
  // only for hub models does the folder differ from the name
  if (folder !== name) return join(RUNS, revision === undefined ? name : `${name}@${revision}`);
  const beside = join(folder, RUNS);
  try {
    await assertWritable(join(beside, 'a.run'));
    return beside;
  } catch (error) {
    if (!(error instanceof RankDistillmError)) throw error;
    const elsewhere = join(RUNS, pathAsName(folder));
    onNote(`${beside} cannot be written to, so runs go to ${elsewhere}; set save_dir to choose another folder`);
    return elsewhere;
  }
}

/** Converts a path to a relative one without leading `..`, unique per folder. */
function pathAsName(folder: string): string {
  const fromHere = relative('.', folder);
  return isAbsolute(fromHere) || fromHere.startsWith('..') ? join('.', resolve(folder)).slice(1) : fromHere;
}
