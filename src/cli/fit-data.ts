import { openTrainingDataset } from '../data/open-dataset.js';
import { findRun } from '../data/open-run.js';
import type { DatasetRegistry } from '../data/registry.js';
import type { TrainingDataset } from '../data/training-dataset.js';
import { RankDistillmError } from '../errors.js';
import { planTraining } from '../train/train-limits.js';
import type { CliIo } from './cli-io.js';
import type { PlaceOf, RunSettings } from './config-plan.js';
import type { FitPlan } from './fit-plan.js';
import { assertSourceExists, indexingNotes, runOptions } from './open-datasets.js';

/** Looks for every file that a plan names, before any of them is read. */
export async function assertDataExist({ train, validation }: FitPlan, registry: DatasetRegistry): Promise<void> {
  const runs = train.kind === 'run' ? [train.run, ...validation] : validation;
  for (const { run_path_or_id: named, place } of runs) {
    await assertSourceExists({ key: 'run_path_or_id', named, place, kind: 'run' }, registry);
  }
  if (train.kind === 'run' || registry.find(train.tuples.tuplesDataset)) return;
  throw registry.unknownId(train.tuples.tuplesDataset, `${train.place}: tuples_dataset`);
}

export function openTrainData(
  { train }: FitPlan,
  registry: DatasetRegistry,
  seed: number,
  io: CliIo,
): Promise<TrainingDataset> {
  const options = train.kind === 'run' ? runOptions(train.run) : train.tuples;
  const indexing = { signal: io.signal, onProgress: indexingNotes(io) };
  return openTrainingDataset(options, { registry, seed, indexing });
}

/** What logs call a validation dataset: the run file's name, or the dataset's id. */
export async function datasetName(settings: RunSettings, registry: DatasetRegistry): Promise<string> {
  return (await findRun(runOptions(settings), registry)).name;
}

/**
 * Optimizer steps of the whole run, undefined when only time ends it. Limits that do not fit the data are an error with
 * the key's place.
 */
export function countSteps(plan: FitPlan, dataset: TrainingDataset, placeOf: PlaceOf): number | undefined {
  const data = {
    samples: dataset.countSamples(),
    batchSize: plan.batchSize,
    // the validation runs are not open yet, and how long they are does not matter to the steps
    validationBatches: plan.validation.map(() => Number.MAX_SAFE_INTEGER),
  };
  try {
    return planTraining(plan.trainer, data).totalSteps;
  } catch (error) {
    if (!(error instanceof RankDistillmError)) throw error;
    const [, name = '', rest = error.message] = /^(\w+): (.*)$/s.exec(error.message) ?? [];
    const key = inYaml(name);
    throw new RankDistillmError(error.code, `${placeOf(['trainer', key])}: trainer.${key}: ${inYaml(rest)}`, {
      ...(error.hint === undefined ? {} : { hint: inYaml(error.hint) }),
      cause: error,
    });
  }
}

/** Names of TypeScript's options as the configuration writes them. */
function inYaml(text: string): string {
  return text.replace(/\b[a-z]+(?:[A-Z][a-z]*)+\b/g, (name) =>
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
}
