import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatasetRegistry } from '../../src/data/registry.js';
import { openTrainingRunDataset } from '../../src/data/training-run-dataset.js';
import type { FitOptions } from '../../src/fit/fit-options.js';
import { fit } from '../../src/fit/fit.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { TrainingState } from '../../src/train/training-state.js';
import { inFolder, modelFolder, useOwnCache } from '../cli/support.js';
import { writeTrainingCollection } from '../cli/training-collection.js';

const test = suite('validation within fit');
useOwnCache(test);

const MONITOR = 'dev.run/nDCG@10';

/** Trains on the collection of a folder, 6 batches an epoch, and validates on its `dev.run`. */
async function train(folder: string, root: string, options: Partial<FitOptions>) {
  const registry = new DatasetRegistry();
  for (const name of ['train', 'dev']) {
    const file = (kind: string): string => join(folder, 'data', kind);
    registry.register(name, { docs: file('docs.tsv'), queries: file('queries.tsv'), qrels: file(`${name}.qrels`) });
  }
  await using dataset = await openTrainingRunDataset(
    { runPathOrId: join(folder, 'data/teacher.run'), dataset: 'train', sampleSize: 4, targets: 'rank', depth: 12 },
    { registry, seed: 11 },
  );
  return await fit({
    model: modelFolder(),
    train: { dataset, batchSize: 1 },
    validate: {
      datasets: [{ runPathOrId: join(folder, 'data/dev.run'), dataset: 'dev' }],
      metrics: ['nDCG@10'],
      registry,
    },
    losses: [createLoss('RankNet')],
    optimizer: { lr: 1e-3 },
    onWarning: () => undefined,
    ...options,
    trainer: { numSanityValSteps: 0, ...options.trainer, defaultRootDir: join(folder, root) },
  });
}

async function stateOf(checkpoint: string): Promise<TrainingState> {
  const text = await readFile(join(checkpoint, 'trainer_state.json'), 'utf8');
  return (JSON.parse(text) as { state: TrainingState }).state;
}

test('a validation between two steps counts once for a run that goes on from its checkpoint', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    // steps after batches 2, 4 and 6 of each epoch, validations after 3 and 6
    const options: Partial<FitOptions> = {
      trainer: { maxEpochs: 3, accumulateGradBatches: 2, valCheckInterval: { batches: 3 } },
      checkpoints: [{ saveTopK: -1, filename: '{step}' }],
      // nothing is better by 2: every validation is one more without improvement
      earlyStopping: [{ monitor: MONITOR, mode: 'max', minDelta: 2, patience: 100 }],
    };
    const whole = await train(folder, 'whole', options);
    const [last = ''] = whole.checkpoints;
    const expected = await stateOf(last);
    assert.is(expected.step, 9);
    assert.is(expected.stoppers[0]!.waited, 5);
    const earlier = whole.checkpoints.slice(1);
    assert.equal(
      earlier.map((path) => basename(path)),
      ['step=7', 'step=6', 'step=4', 'step=3', 'step=1'],
    );
    for (const checkpoint of earlier) {
      const resumed = await train(folder, 'resumed', { ...options, ckptPath: checkpoint });
      const { stoppers, metrics } = await stateOf(resumed.checkpoints[0]!);
      assert.equal(stoppers, expected.stoppers, checkpoint);
      assert.equal(metrics, expected.metrics, checkpoint);
    }
  }));

test.run();
