import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RankDistillmError } from '../../errors.js';
import { healFoldersIn } from '../../io/replace-folder.js';
import { checkFiles, MOMENTS_FILE, readStateFile, STATE_FILE, type StateFile } from './state.js';

const NEEDED = ['config.json', 'model.safetensors', MOMENTS_FILE];

/**
 * The folders that hold the checkpoints of all runs below a root: `<root>/lightning_logs/<version>/checkpoints` and
 * `<root>/checkpoints`.
 */
export async function checkpointFolders(root: string): Promise<string[]> {
  const logs = join(root, 'lightning_logs');
  return [...(await namesIn(logs)).map((name) => join(logs, name, 'checkpoints')), join(root, 'checkpoints')];
}

/**
 * Finds the newest whole checkpoint of all runs below a root and in `folders`. It compares the time of the save, because
 * a second run in the same root may have fewer steps than the first; ties go to the checkpoint with more steps. A
 * damaged one that seems to be newer is passed over with a warning, so that a restarted run recovers by itself.
 *
 * @param folders other folders that hold checkpoints, for example a `dirpath`
 * @returns its path with links resolved; undefined when there is none
 * @throws RankDistillmError the error of the newest one when none can be resumed
 */
export async function findLastCheckpoint(
  root: string,
  folders: readonly string[] = [],
  onWarning: (message: string) => void = () => undefined,
): Promise<string | undefined> {
  const found: Found[] = [];
  for (const parent of new Set([...(await checkpointFolders(root)), ...folders])) {
    await healFoldersIn(parent);
    for (const name of await namesIn(parent)) {
      const folder = await realpath(join(parent, name)).catch(() => undefined);
      if (folder === undefined || found.some((other) => other.folder === folder)) continue;
      const checkpoint = await open(folder);
      if (checkpoint) found.push(checkpoint);
    }
  }
  found.sort((a, b) => b.saved - a.saved || b.step - a.step);
  const refused: RankDistillmError[] = [];
  for (const { folder, file, fault } of found) {
    const problem = fault ?? (await checkFiles(folder, file!).catch((error: unknown) => error));
    if (problem === undefined) {
      for (const error of refused) onWarning(`${error.message}; resuming from ${folder} instead`);
      return folder;
    }
    if (!(problem instanceof RankDistillmError)) throw problem as Error;
    refused.push(problem);
  }
  const [first] = refused;
  if (first) throw first;
  return undefined;
}

interface Found {
  folder: string;
  /** Milliseconds since 1970. */
  saved: number;
  step: number;
  file?: StateFile;
  fault?: unknown;
}

/** Undefined: no checkpoint that training can continue from. */
async function open(folder: string): Promise<Found | undefined> {
  const written = await stat(join(folder, STATE_FILE)).catch(() => undefined);
  if (!written?.isFile()) return undefined;
  try {
    const file = (await readStateFile(folder))!;
    const { saved, state } = file;
    for (const name of NEEDED) {
      if (await stat(join(folder, name)).catch(() => undefined)) continue;
      const fault = new RankDistillmError('not_found', `${folder}: ${name} is missing`, { hint: HINT });
      return { folder, saved, step: state.step, fault };
    }
    return { folder, saved, step: state.step, file };
  } catch (fault) {
    return { folder, saved: written.mtimeMs, step: 0, fault };
  }
}

const HINT = 'Resume from another checkpoint, or remove this one and omit ckpt_path to start a new run.';

/** Skips names with a leading dot: they are temporary files. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => !name.startsWith('.')).sort();
}
