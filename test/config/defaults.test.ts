import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planFit, type FitPlan } from '../../src/cli/fit-plan.js';
import { checkAdamW } from '../../src/train/adamw-options.js';
import type { EarlyStoppingOptions } from '../../src/train/early-stopping.js';
import { ConstantLR, CosineAnnealingLR, LinearLR } from '../../src/train/lr-schedule-torch.js';
import {
  ConstantLRSchedulerWithLinearWarmup,
  LinearLRSchedulerWithLinearWarmup,
} from '../../src/train/lr-schedule-warmup.js';
import type { LrSchedule } from '../../src/train/lr-schedule.js';
import type { ModelCheckpointOptions } from '../../src/train/model-checkpoint.js';
import { planTraining } from '../../src/train/train-limits.js';
import { simulate, type Simulation } from '../support/simulate.js';
import { load } from '../support/config.js';

const test = suite('defaults of the YAML and of the API');

const BASE = `
data:
  train_batch_size: 4
  train_dataset: {run_path_or_id: a.run, targets: rank, depth: 10}
model:
  model_name_or_path: some/model
  loss_functions: [RankNet]
optimizer: AdamW
`;

/** What a configuration comes to that gives a class no arguments but these. */
async function plan(text = ''): Promise<FitPlan> {
  return planFit(await load([BASE, text]));
}

test('AdamW', async () => {
  assert.equal(checkAdamW((await plan()).optimizer), checkAdamW({}));
});

test('the length of a run', async () => {
  const data = { samples: 19, batchSize: 4, validationBatches: [7] };
  assert.equal(planTraining((await plan()).trainer, data), planTraining({}, data));
});

const SCHEDULES: [text: string, schedule: LrSchedule][] = [
  ['LinearLR', new LinearLR()],
  ['ConstantLR', new ConstantLR()],
  ['{class_path: CosineAnnealingLR, init_args: {T_max: 9}}', new CosineAnnealingLR({ tMax: 9 })],
  [
    '{class_path: ConstantLRSchedulerWithLinearWarmup, init_args: {num_warmup_steps: 4}}',
    new ConstantLRSchedulerWithLinearWarmup({ numWarmupSteps: 4 }),
  ],
  [
    '{class_path: LinearLRSchedulerWithLinearWarmup, init_args: {num_warmup_steps: 4, num_training_steps: 15}}',
    new LinearLRSchedulerWithLinearWarmup({ numWarmupSteps: 4, numTrainingSteps: 15 }),
  ],
];

const rates = (schedule: LrSchedule): number[] => Array.from({ length: 20 }, (_, step) => schedule.factor(step));

for (const [text, schedule] of SCHEDULES) {
  test(schedule.name, async () => {
    const planned = (await plan(`lr_scheduler: ${text}`)).schedule;
    assert.equal(rates(planned!.build(undefined)), rates(schedule));
  });
}

/** Values of a validation, so that each default shows: how large a change counts, which way, for how long. */
const VALUES: readonly (readonly number[])[] = [
  [0.5, 0.4, 0.3999999, 0.3999998, 0.3999997, 0.3999996],
  [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
  [0.5, 0.4, 0.45, 0.45, 0.35, 0.4, 0.4, 0.4],
  [0.5, Number.NaN, 0.4, 0.3],
  [0.5, 1e9, 1e-9, 0.5],
];

/** What a run does in all of these cases, errors included. */
async function outcomes(policies: Pick<Simulation, 'checkpoint' | 'stopping'>): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const values of VALUES) {
    for (const limits of [{ maxEpochs: 8 }, { maxEpochs: 3, valCheckInterval: { batches: 4 } }]) {
      const run = simulate({ limits, validationBatches: [1], values, ...policies });
      found.push(
        await run.then(
          ({ trace, disk, lastLink }) => ({ trace, disk: [...disk], lastLink }),
          (error: Error) => error.message,
        ),
      );
    }
  }
  return found;
}

const STOPPINGS: [args: string, options: EarlyStoppingOptions][] = [
  ['{monitor: val}', { monitor: 'val' }],
  ['{monitor: nothing}', { monitor: 'nothing' }],
];

for (const [args, stopping] of STOPPINGS) {
  test(`EarlyStopping with ${args}`, async () => {
    const { earlyStopping } = await plan(`trainer: {callbacks: [{class_path: EarlyStopping, init_args: ${args}}]}`);
    assert.equal(await outcomes({ stopping: earlyStopping[0] }), await outcomes({ stopping }));
  });
}

const CHECKPOINTS: [args: string, options: ModelCheckpointOptions][] = [
  ['{}', {}],
  ['{monitor: val}', { monitor: 'val' }],
  ['{monitor: nothing}', { monitor: 'nothing' }],
  ['{monitor: val, filename: "{epoch}-{val:.2f}"}', { monitor: 'val', filename: '{epoch}-{val:.2f}' }],
  ['{every_n_train_steps: 3}', { everyNTrainSteps: 3 }],
];

for (const [args, checkpoint] of CHECKPOINTS) {
  test(`ModelCheckpoint with ${args}`, async () => {
    const { checkpoints } = await plan(`trainer: {callbacks: [{class_path: ModelCheckpoint, init_args: ${args}}]}`);
    assert.equal(await outcomes({ checkpoint: checkpoints[0] }), await outcomes({ checkpoint }));
  });
}

test.run();
