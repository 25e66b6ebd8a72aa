import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { TrainableModel } from '../../src/engine/trainable-model.js';
import type { RankDistillmError } from '../../src/errors.js';
import type { TrainingSample } from '../../src/data/training-dataset.js';
import type { RunDatasetOptions } from '../../src/data/run-options.js';
import type { FitOptions } from '../../src/fit/fit-options.js';
import { fit } from '../../src/fit/fit.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { Loss } from '../../src/loss/loss.js';
import { Trainer } from '../../src/train/trainer.js';
import type { StepReport } from '../../src/train/training-reports.js';
import { refuses } from '../support/errors.js';
import { inFolder } from '../support/files.js';
import { expectedPairs, modelFolder } from '../support/models.js';
import { sharedPath } from '../support/shared.js';
import { TOLERANCES } from '../support/tolerances.js';
import { datasetOf, goldenRuns } from '../support/training-samples.js';

const test = suite('fit');

async function tinySamples(): Promise<TrainingSample[]> {
  const pairs = await expectedPairs();
  return Array.from({ length: 4 }, (_, q) => {
    const own = [0, 1, 2].map((i) => pairs[(q * 3 + i) % pairs.length]!);
    const docs = own.map(({ document }) => document);
    return { queryId: `q${q}`, query: own[0]!.query, docIds: docs.map((_d, i) => `d${i}`), docs, targets: [1, 0, 0] };
  });
}

/** Trains the tiny reference model for some steps and hands back the reports. */
async function run(root: string, options: Partial<FitOptions> = {}) {
  const steps: StepReport[] = [];
  const samples = await tinySamples();
  const result = fit({
    model: modelFolder(),
    train: { dataset: datasetOf(samples), batchSize: 2, shuffle: false },
    losses: [createLoss('InfoNCE')],
    optimizer: { lr: 1e-2 },
    onStep: (step) => void steps.push(step),
    onWarning: () => undefined,
    ...options,
    trainer: { maxEpochs: 4, defaultRootDir: root, ...options.trainer },
  });
  return { steps, result };
}

const golden = sharedPath('golden/training.json');
const goldenModel = sharedPath('golden/tiny-monoelectra');

if (golden && goldenModel) {
  for (const reference of goldenRuns(golden)) {
    test(`the losses of ${reference.trace.length} steps of ${reference.loss} are lightning-ir's`, () =>
      inFolder(async (root) => {
        const { samples } = reference;
        const losses: number[] = [];
        await fit({
          model: goldenModel,
          train: { dataset: datasetOf(samples), batchSize: samples.length, shuffle: false },
          losses: [createLoss(reference.loss, reference.init_args)],
          optimizer: { lr: reference.lr, weightDecay: reference.weight_decay },
          trainer: { maxSteps: reference.trace.length, defaultRootDir: root, enableCheckpointing: false },
          onStep: ({ loss }) => void losses.push(loss),
        });
        reference.trace.forEach(({ loss }, i) =>
          assert.ok(
            Math.abs(losses[i]! - loss) <= TOLERANCES.auto.float32.loss * Math.abs(loss),
            `step ${i + 1}: ${losses[i]}, expected ${loss}`,
          ),
        );
      }));
  }
}

test('learns what it is shown, and what is saved re-ranks so', () =>
  inFolder(async (root) => {
    const { steps, result } = await run(root);
    const { modelFolder: saved, step, reason, checkpoints } = await result;
    assert.is(step, 8);
    assert.is(reason, 'max_epochs');
    assert.ok(steps.at(-1)!.loss < steps[0]!.loss / 2, `${steps[0]!.loss} → ${steps.at(-1)!.loss}`);
    assert.equal(checkpoints, [join(root, 'checkpoints/epoch=3-step=8')]);
    await using model = await CrossEncoder.load(saved!);
    const [{ query, docs }] = (await tinySamples()) as [TrainingSample];
    const [best] = await model.rank(query, docs);
    assert.is(best!.index, 0);
  }));

test('runs below huggingface_checkpoint stay when a newer model takes its place', () =>
  inFolder(async (root) => {
    const saved = join(root, 'huggingface_checkpoint');
    const { result } = await run(root, {
      logFolder: root,
      checkpoints: [{ everyNTrainSteps: 1 }],
      onStep: async ({ step }) => {
        if (step !== 2) return;
        await mkdir(join(saved, 'runs'));
        await writeFile(join(saved, 'runs/dev.run'), 'a run');
      },
      trainer: { maxSteps: 4, defaultRootDir: root },
    });
    await result;
    assert.is(readFileSync(join(saved, 'runs/dev.run'), 'utf8'), 'a run');
    assert.equal(await readdir(join(saved, 'runs')), ['dev.run']);
    assert.not.ok(existsSync(join(root, 'checkpoints/epoch=1-step=4/runs')));
  }));

test('accumulated batches are one batch', () =>
  inFolder(async (root) => {
    const whole = await run(join(root, 'a'), {
      train: { dataset: datasetOf(await tinySamples()), batchSize: 4, shuffle: false },
      trainer: { maxSteps: 3, defaultRootDir: join(root, 'a') },
    });
    await whole.result;
    const parts = await run(join(root, 'b'), {
      trainer: { maxSteps: 3, accumulateGradBatches: 2, defaultRootDir: join(root, 'b') },
    });
    await parts.result;
    parts.steps.forEach(({ loss, gradientNorm }, i) => {
      assert.ok(Math.abs(loss - whole.steps[i]!.loss) < 1e-5);
      assert.ok(Math.abs(gradientNorm - whole.steps[i]!.gradientNorm) < 1e-4 * gradientNorm);
    });
  }));

test('an aborted run finishes its step, saves, and can be gone on with', () =>
  inFolder(async (root) => {
    const controller = new AbortController();
    const { steps, result } = await run(root, {
      signal: controller.signal,
      onStep: ({ step }) => {
        if (step === 3) controller.abort();
      },
    });
    const error = await result.then(
      () => undefined,
      (thrown: RankDistillmError) => thrown,
    );
    assert.is(error?.code, 'aborted');
    assert.ok(existsSync(join(root, 'checkpoints/epoch=1-step=3/trainer_state.json')));
    const resumed = await run(root, { ckptPath: 'last' });
    await resumed.result;
    assert.is(resumed.steps[0]!.step, 4);
    const undisturbed = await run(join(root, 'other'));
    await undisturbed.result;
    assert.is(resumed.steps.at(-1)!.loss, undisturbed.steps.at(-1)!.loss);
    assert.is(steps.length, 0);
  }));

test('a run that goes on removes what it left, and not what another run has saved under that name since', () =>
  inFolder(async (root) => {
    const folder = join(root, 'checkpoints');
    const to = async (maxEpochs: number, options: Partial<FitOptions> = {}): Promise<string[]> => {
      await (
        await run(root, { ...options, trainer: { maxEpochs } })
      ).result;
      return (await readdir(folder)).sort();
    };
    await to(1);
    await cp(join(folder, 'epoch=0-step=2'), join(root, 'old'), { recursive: true });
    assert.equal(await to(2, { ckptPath: 'last' }), ['epoch=1-step=4']);
    const second = join(folder, 'epoch=1-step=4');
    // as after a kill before the first checkpoint was removed
    await rename(join(root, 'old'), join(folder, 'epoch=0-step=2'));
    assert.equal(await to(2, { ckptPath: second }), ['epoch=1-step=4']);

    assert.equal(await to(1, { optimizer: { lr: 1e-3 } }), ['epoch=0-step=2', 'epoch=1-step=4']);
    assert.equal(await to(3, { ckptPath: second }), ['epoch=0-step=2', 'epoch=1-step=4', 'epoch=2-step=6']);
  }));

test('errors name the options of fit', async () => {
  const dataset = {} as RunDatasetOptions;
  for (const [options, message] of [
    [{ losses: [] }, /^options\.losses: the list is empty/],
    [{ train: { dataset, batchSize: 1 } }, /^options\.train\.dataset: needs the option "runPathOrId"/],
    [
      { train: { dataset: { runPathOrId: 'x', depth: 0 }, batchSize: 1 } },
      /^options\.train\.dataset\.depth: expected /,
    ],
  ] as const) {
    await refuses(async () => (await run('.', options)).result, 'bad_input', message);
  }
});

/** NaN on every second call. */
function faultyLoss(): Loss {
  const loss = createLoss('InfoNCE');
  let calls = 0;
  return {
    name: 'Faulty',
    compute: (scores, targets) => {
      const result = loss.compute(scores, targets);
      return ++calls % 2 === 0 ? { ...result, value: Number.NaN } : result;
    },
  };
}

test('a loss that is not finite stops the run, with step and queries named', () =>
  inFolder(async (root) => {
    const { result } = await run(root, { losses: [faultyLoss()] });
    const error = await result.then(
      () => undefined,
      (thrown: RankDistillmError) => thrown,
    );
    assert.match(error!.message, /^step 2: the Faulty is NaN/);
    assert.match(error!.message, /'q2', 'q3'/);
    assert.match(error!.hint!, /non_finite/);
  }));

test('with nonFinite skip such steps are left out and counted', () =>
  inFolder(async (root) => {
    const { steps, result } = await run(root, { losses: [faultyLoss()], trainer: { maxEpochs: 2, nonFinite: 'skip' } });
    const { step, skippedSteps } = await result;
    assert.is(step, 2);
    assert.is(skippedSteps, 2);
    assert.equal(
      steps.map(({ skipped }) => skipped),
      [false, true, false, true],
    );
  }));

test('a loop of one’s own: gradients can be read and written between backward and update', async () => {
  const samples = await tinySamples();
  const options = { losses: [createLoss('InfoNCE')], optimizer: { lr: 1e-2 } };
  await using first = await TrainableModel.load(modelFolder(), { onWarning: () => undefined });
  await using second = await TrainableModel.load(modelFolder(), { onWarning: () => undefined });
  const plain = new Trainer(first, options);
  await plain.backward(await plain.encode(samples));
  const whole = await first.native.read('gradients', 0, first.native.size);
  // Two processes with half of the queries each: the mean of their gradients is the whole batch's.
  const halves = new Trainer(second, options);
  const gradients: Float32Array[] = [];
  for (const half of [samples.slice(0, 2), samples.slice(2)]) {
    await halves.backward(await halves.encode(half));
    gradients.push(await second.native.read('gradients', 0, second.native.size));
    await halves.dropGradients();
  }
  const mean = gradients[0]!.map((value, i) => (value + gradients[1]![i]!) / 2);
  await second.native.write('gradients', 0, mean);
  mean.forEach((value, i) => assert.ok(Math.abs(value - whole[i]!) <= 1e-6, `${i}: ${value}, expected ${whole[i]}`));
  const { step, taken, gradientNorm } = await halves.update();
  assert.ok(taken);
  assert.is(step, 1);
  assert.ok(Math.abs(gradientNorm - (await plain.update()).gradientNorm) <= 1e-5 * gradientNorm);
});

test('saveWeightsOnly saves model folders that no run continues from', () =>
  inFolder(async (root) => {
    const { result } = await run(root, { checkpoints: [{ saveWeightsOnly: true, saveTopK: -1 }] });
    const { checkpoints } = await result;
    assert.is(checkpoints.length, 4);
    const whole = await (await run(join(root, 'whole'))).result;
    const names = async (folder: string) => (await readdir(folder)).sort();
    const optimizer = ['optimizer.safetensors', 'trainer_state.json'];
    const expected = (await names(whole.checkpoints[0]!)).filter((name) => !optimizer.includes(name));
    assert.equal(await names(checkpoints[0]!), expected);
    const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
    assert.equal(weights(checkpoints[0]!), weights(whole.checkpoints[0]!));
    await using model = await CrossEncoder.load(checkpoints[0]!);
    assert.is(model.modelClass, 'MonoElectraModel');
    const { result: resumed } = await run(root, { ckptPath: checkpoints[0]! });
    await refuses(() => resumed, 'bad_input', /not a checkpoint to resume from/);
  }));

test.run();
