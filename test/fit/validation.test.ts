import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatasetRegistry } from '../../src/data/registry.js';
import { openTrainingRunDataset } from '../../src/data/training-run-dataset.js';
import type { FitOptions, ValidateOptions } from '../../src/fit/fit-options.js';
import { fit } from '../../src/fit/fit.js';
import type { RankDistillmError } from '../../src/errors.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { TrainingState } from '../../src/train/checkpoints/state.js';
import { inFolder, useOwnCache } from '../support/files.js';
import { modelFolder } from '../support/models.js';
import { writeTrainingCollection } from '../support/collections.js';

const test = suite('validation within fit');
useOwnCache(test);

const MONITOR = 'dev.run/nDCG@10';

function registryOf(folder: string): DatasetRegistry {
  const registry = new DatasetRegistry();
  for (const name of ['train', 'dev']) {
    const file = (kind: string): string => join(folder, 'data', kind);
    registry.register(name, { docs: file('docs.tsv'), queries: file('queries.tsv'), qrels: file(`${name}.qrels`) });
  }
  return registry;
}

function validateOf(folder: string): ValidateOptions {
  const datasets = [{ runPathOrId: join(folder, 'data/dev.run'), dataset: 'dev' }];
  return { datasets, metrics: ['nDCG@10'] };
}

/** Trains on the collection of a folder, 6 batches an epoch, and validates on its `dev.run`. */
async function train(folder: string, root: string, options: Partial<FitOptions>) {
  const registry = registryOf(folder);
  await using dataset = await openTrainingRunDataset(
    { runPathOrId: join(folder, 'data/teacher.run'), dataset: 'train', sampleSize: 4, targets: 'rank', depth: 12 },
    { registry, seed: 11 },
  );
  return await fit({
    model: modelFolder(),
    train: { dataset, batchSize: 1 },
    validate: validateOf(folder),
    registry,
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

test('an interrupt ends a validation, and a run that goes on from there repeats it', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const controller = new AbortController();
    const seen: string[] = [];
    const options: Partial<FitOptions> = {
      trainer: { maxEpochs: 2, valCheckInterval: { batches: 3 } },
      onStep: ({ step }) => void seen.push(`step ${step}`),
      onValidation: ({ step }) => void seen.push(`validation ${step}`),
    };
    const cut = train(folder, 'cut', {
      ...options,
      signal: controller.signal,
      onStep: ({ step }) => {
        if (step === 9) controller.abort();
      },
    });
    const error = await cut.then(
      () => undefined,
      (thrown: RankDistillmError) => thrown,
    );
    assert.is(error?.code, 'aborted');
    assert.is(seen.at(-1), 'validation 6');
    seen.length = 0;
    const resumed = await train(folder, 'cut', { ...options, ckptPath: 'last' });
    assert.equal(seen, ['validation 9', 'step 10', 'step 11', 'step 12', 'validation 12']);
    const whole = await train(folder, 'whole', options);
    assert.equal(resumed.metrics, whole.metrics);
  }));

test('a run interrupted in a validation before the first step of an epoch can be gone on with', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    // steps after batches 4 and 6 of each epoch, validations in the second one after 2, 4 and 6
    const limits = {
      maxEpochs: 2,
      accumulateGradBatches: 4,
      valCheckInterval: { batches: 2 },
      checkValEveryNEpoch: 2,
    };
    const options: Partial<FitOptions> = { trainer: limits, checkpoints: [{ monitor: MONITOR, mode: 'max' }] };
    const controller = new AbortController();
    const rankNet = createLoss('RankNet');
    let batches = 0;
    const compute: typeof rankNet.compute = (scores, targets) => {
      if (++batches === 8) controller.abort();
      return rankNet.compute(scores, targets);
    };
    const cut = train(folder, 'cut', { ...options, losses: [{ name: 'RankNet', compute }], signal: controller.signal });
    const error = await cut.then(
      () => undefined,
      (thrown: RankDistillmError) => thrown,
    );
    assert.is(error?.code, 'aborted');
    const seen: string[] = [];
    const resumed = await train(folder, 'cut', {
      ...options,
      ckptPath: 'last',
      onValidation: ({ step }) => void seen.push(`validation ${step}`),
    });
    assert.equal(seen, ['validation 2', 'validation 3', 'validation 4']);
    const whole = await train(folder, 'whole', options);
    assert.equal(resumed.metrics, whole.metrics);
  }));

test('an interrupt ends the indexing of a validation collection', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const lines = Array.from({ length: 100_000 }, (_, i) => `x${i}\tanother text\n`);
    await writeFile(join(folder, 'data/long.tsv'), lines.join(''));
    const registry = registryOf(folder);
    const part = (name: string): string => join(folder, 'data', name);
    registry.register('long', { docs: part('long.tsv'), queries: part('queries.tsv'), qrels: part('dev.qrels') });
    await writeFile(part('long.run'), 'v0 Q0 x1 1 1 x\n');
    const controller = new AbortController();
    const validate: ValidateOptions = {
      datasets: [{ runPathOrId: part('long.run'), dataset: 'long' }],
      metrics: ['nDCG@10'],
    };
    const indexing = { folder: join(folder, 'indexes'), onProgress: () => controller.abort() };
    const error = await train(folder, 'out', { validate, registry, indexing, signal: controller.signal }).then(
      () => undefined,
      (thrown: RankDistillmError) => thrown,
    );
    assert.is(error?.code, 'aborted');
    assert.equal(await readdir(join(folder, 'indexes')), []);
  }));

test('the end is saved without a ModelCheckpoint, whenever validations are; with one as in Lightning', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const limits = { maxSteps: 9, valCheckInterval: { batches: 4 } };
    const names = (paths: readonly string[]): string[] => paths.map((path) => basename(path));
    const ended = await train(folder, 'a', { trainer: limits });
    assert.equal(names(ended.checkpoints), ['epoch=1-step=9']);
    assert.equal(await readdir(join(folder, 'a/checkpoints')), ['epoch=1-step=9']);
    const configured = await train(folder, 'b', { trainer: limits, checkpoints: [{}] });
    assert.equal(names(configured.checkpoints), ['epoch=0-step=4']);
    const unvalidated = { maxEpochs: 3, checkValEveryNEpoch: 2 };
    const never = await train(folder, 'c', { trainer: unvalidated, validate: undefined });
    assert.equal(names(never.checkpoints), ['epoch=2-step=18']);
    // and it is the run's end: more epochs go on from it
    const more = await train(folder, 'c', {
      trainer: { ...unvalidated, maxEpochs: 4 },
      validate: undefined,
      ckptPath: 'last',
    });
    assert.equal(names(more.checkpoints), ['epoch=3-step=24']);
    assert.equal(await readdir(join(folder, 'c/checkpoints')), ['epoch=3-step=24']);
  }));

test.run();
