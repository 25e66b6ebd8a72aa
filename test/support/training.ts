import type { Checkpoint } from '../../src/models/checkpoint.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { readModelFiles } from '../../src/models/save-model.js';
import type { TensorValues } from '../../src/models/raw-tensor.js';
import { saveTrainerCheckpoint } from '../../src/train/checkpoints/trainer-checkpoint.js';
import type { TrainingState } from '../../src/train/checkpoints/state.js';
import { modelFolder } from './models.js';
import { tensorValues } from './safetensors.js';

/** A state with a value other than the default in every key. */
export const STATE: TrainingState = {
  step: 10,
  epoch: 1,
  batch: 4,
  totalBatches: 20,
  phase: 'validation',
  seconds: 12.25,
  skippedSteps: 1,
  metrics: { loss: 0.1, 'dl/nDCG@10': 1 / 3 },
  keepers: [
    {
      folder: '/somewhere/checkpoints',
      kept: [{ name: 'epoch=0-step=5', step: 5, score: null }],
      last: 'epoch=0-step=5',
      interrupted: null,
      obsolete: ['x'],
      savedStep: 5,
      deferred: true,
      validated: false,
      named: { name: 'epoch=0-step=5', times: 1 },
    },
  ],
  stoppers: [{ best: null, waited: 2, validated: true, reason: null }],
  run: {
    seed: 42,
    tokenBudget: 1234,
    fixed: { 'the run': { value: 'sha256:12', shown: 'dl.run (12)' }, depth: { value: 8 }, qrels: { value: null } },
    free: { lr: { value: 1e-3 }, schedule: { value: 'sha256:34', follows: 'lr' }, tf32: { value: false } },
  },
};

/** Numbers that are told apart by tensor, place and moment. */
export function momentsOf(source: Checkpoint): (TensorValues & { values: Float32Array })[] {
  return ['exp_avg', 'exp_avg_sq'].flatMap((moment, m) =>
    source.tensors.map(({ name, shape }, t) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const values = Float32Array.from({ length: size }, (_, i) => 1000 * m + t + i / size);
      return { name: `${moment}.${name}`, shape, values, parts: () => [values] };
    }),
  );
}

/** Saves a reference model with those moments as a checkpoint, and returns the model. */
export async function save(
  target: string,
  state: Partial<TrainingState> = {},
  model = 'mono-rank',
): Promise<Checkpoint> {
  const folder = modelFolder(model);
  const source = await loadCheckpoint(folder, model.endsWith('-3') ? { label: 2 } : {});
  await saveTrainerCheckpoint(target, {
    source,
    files: await readModelFiles(folder),
    parameters: tensorValues(source.tensors),
    moments: momentsOf(source),
    state: { ...STATE, ...state },
  });
  return source;
}
