import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { healFoldersIn } from '../io/replace-folder.js';
import { MOMENTS_FILE, readStateFile, type StateFile } from './trainer-state-file.js';

const NEEDED = ['config.json', 'model.safetensors', MOMENTS_FILE];

/**
 * The newest whole checkpoint of all runs below a root: in `<root>/lightning_logs/<version>/checkpoints`,
 * `<root>/checkpoints` and the folders that are named besides. Newest by the time it was saved, for a second run in the
 * same root may have fewer steps than the first; of equals the one with more steps. Folders that are no checkpoint, or
 * not a whole one, are passed over.
 *
 * @throws RankDistillmError `unsupported` where all that there is was saved by another release
 * @param folders other folders that hold checkpoints, for example a `dirpath`
 * @returns its path without links; undefined when there is none
 */
export async function findLastCheckpoint(root: string, folders: readonly string[] = []): Promise<string | undefined> {
  const logs = join(root, 'lightning_logs');
  const versions = (await namesIn(logs)).map((name) => join(logs, name, 'checkpoints'));
  let newest: { folder: string; file: StateFile } | undefined;
  let unsupported: RankDistillmError | undefined;
  for (const parent of [...versions, join(root, 'checkpoints'), ...folders]) {
    await healFoldersIn(parent);
    for (const name of await namesIn(parent)) {
      const folder = join(parent, name);
      const file = await stateOf(folder).catch((error: unknown) => {
        if (error instanceof RankDistillmError && error.code === 'unsupported') unsupported ??= error;
        return undefined;
      });
      if (file && (!newest || isNewer(file, newest.file))) newest = { folder, file };
    }
  }
  if (!newest && unsupported) throw unsupported;
  return newest && (await realpath(newest.folder));
}

function isNewer(a: StateFile, b: StateFile): boolean {
  return a.saved === b.saved ? a.state.step > b.state.step : a.saved > b.saved;
}

/** Names that begin with a dot are temporaries. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => !name.startsWith('.')).sort();
}

async function stateOf(folder: string): Promise<StateFile | undefined> {
  for (const name of NEEDED) {
    if (!(await stat(join(folder, name)).catch(() => undefined))) return undefined;
  }
  return readStateFile(folder);
}
