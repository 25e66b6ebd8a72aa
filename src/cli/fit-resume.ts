import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openResume } from '../fit/resume.js';
import { findLastCheckpoint } from '../train/find-checkpoint.js';
import { placed, type PlaceOf } from './config-plan.js';
import type { FitPlan } from './fit-plan.js';

/** The checkpoint a run goes on from. */
export interface ResumedRun {
  folder: string;
  /** A run that drew its seed goes on with that. */
  seed: number;
}

/** Finds and checks what `ckpt_path` names; undefined where it is not given. */
export async function resumedRun(plan: FitPlan, placeOf: PlaceOf): Promise<ResumedRun | undefined> {
  const { ckptPath, rootDir } = plan;
  if (ckptPath === undefined) return undefined;
  try {
    const last = ckptPath === 'last' ? await findLastCheckpoint(rootDir, await checkpointFolders(plan)) : undefined;
    const { folder, state } = await openResume(last ?? ckptPath, rootDir, plan.label);
    return { folder, seed: state.run.seed };
  } catch (error) {
    throw placed(error, ['ckpt_path'], placeOf);
  }
}

/** Where earlier runs of the same configuration have put checkpoints, outside the usual folders. */
async function checkpointFolders({ checkpoints, loggers }: FitPlan): Promise<string[]> {
  const named = checkpoints.flatMap(({ dirpath }) => (dirpath === undefined ? [] : [dirpath]));
  const [first] = loggers;
  if (first === undefined) return named;
  const runs = join(first.saveDir, first.name);
  const versions = await readdir(runs).catch(() => []); // the first run has none
  return [...named, ...versions.map((version) => join(runs, version, 'checkpoints'))];
}
