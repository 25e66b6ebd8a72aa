import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { NamedTensor } from '../../binding.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { RankDistillmError } from '../errors.js';
import { findLastCheckpoint } from '../train/find-checkpoint.js';
import { readTrainerCheckpoint } from '../train/trainer-checkpoint.js';
import type { RunIdentity, TrainingState } from '../train/training-state.js';

export interface Resume {
  folder: string;
  model: Checkpoint;
  state: TrainingState;
  moments: NamedTensor[];
  /** When it was saved, in milliseconds since 1970. */
  saved: number;
}

/**
 * The checkpoint to go on from.
 *
 * @param ckptPath a folder, or `last`: the newest below `rootDir`
 */
export async function openResume(ckptPath: string, rootDir: string): Promise<Resume> {
  const folder = ckptPath === 'last' ? await findLastCheckpoint(rootDir) : ckptPath;
  if (folder === undefined) {
    throw new RankDistillmError('not_found', `last: there is no checkpoint below ${resolve(rootDir)}`, {
      hint: 'Leave ckpt_path out to start afresh, or name the folder of a checkpoint.',
    });
  }
  const { model, state, moments, saved } = await readTrainerCheckpoint(folder);
  return { folder: resolve(folder), model, state, moments, saved };
}

/** A resumed run is the same run only where these agree; losses may change, with a warning. */
export function checkSameRun(resume: Resume, now: RunIdentity, onWarning: (message: string) => void): void {
  const before = resume.state.run;
  for (const key of ['seed', 'dataset', 'samples', 'docsPerSample', 'batchSize', 'accumulate', 'shuffle'] as const) {
    if (before[key] === now[key]) continue;
    const words = `${key} was ${String(before[key])} and is now ${String(now[key])}`;
    throw new RankDistillmError('bad_input', `${resume.folder}: was saved by another run: ${words}`, {
      hint: 'Resume with the configuration of that run; to go on with another one, name the folder in model_name_or_path.',
    });
  }
  if (!isDeepStrictEqual(before.losses, now.losses)) {
    onWarning(`${resume.folder}: was trained with ${before.losses.join(', ')}, now with ${now.losses.join(', ')}`);
  }
  if (before.tokenBudget !== now.tokenBudget) {
    onWarning(`${resume.folder}: the token budget was ${before.tokenBudget}: results may differ in their last bits`);
  }
}
