import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { healFoldersIn } from '../io/replace-folder.js';
import { MOMENTS_FILE, readStateFile, type StateFile } from './trainer-state-file.js';

const NEEDED = ['config.json', 'model.safetensors', MOMENTS_FILE];

/**
 * Finds the newest complete checkpoint of all runs below a root: in `<root>/lightning_logs/<version>/checkpoints`,
 * `<root>/checkpoints` and `folders`. It compares the time of the save, because a second run in the same root may have
 * fewer steps than the first; ties go to the checkpoint with more steps. Other folders and incomplete checkpoints are
 * ignored.
 *
 * @throws RankDistillmError `unsupported` when the only checkpoints were saved by an incompatible release
 * @param folders other folders that hold checkpoints, for example a `dirpath`
 * @returns its path with links resolved; undefined when there is none
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

/** Skips names with a leading dot: they are temporary files. */
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
