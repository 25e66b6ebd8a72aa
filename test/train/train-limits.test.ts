import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import {
  isValidationDue,
  planTraining,
  reachedLimit,
  type LimitData,
  type TrainerSettings,
} from '../../src/train/train-limits.js';

// Which batches step, and when it validates, is compared with Lightning in trainer-runs.test.ts.
const test = suite('train limits');
const DATA: LimitData = { samples: 100, batchSize: 10, shuffle: true, validationBatches: [4] };

test('the whole run in steps, where something but time ends it', () => {
  const totals: [TrainerSettings, number | undefined][] = [
    [{}, 10_000],
    [{ maxTime: 60 }, undefined],
    [{ maxEpochs: -1 }, undefined],
    [{ maxEpochs: -1, maxSteps: 7 }, 7],
    [{ maxTime: 60, maxEpochs: 2 }, 20],
    [{ maxSteps: -1, maxEpochs: 2, accumulateGradBatches: 3 }, 8],
  ];
  for (const [settings, total] of totals) assert.is(planTraining(settings, DATA).totalSteps, total);
});

test('what ends the run: steps before epochs before time', () => {
  const plan = planTraining({ maxSteps: 20, maxEpochs: 2, maxTime: 60 }, DATA);
  const limit = (steps: number, epochs: number, seconds: number): string | undefined =>
    reachedLimit(plan, { steps, epochs, seconds });
  assert.equal(
    [limit(19, 1, 59.9), limit(20, 2, 60), limit(19, 2, 60), limit(19, 1, 60)],
    [undefined, 'max_steps', 'max_epochs', 'max_time'],
  );
});

test('a run that stops before its time validates once more, in an epoch that validates', () => {
  const plan = planTraining({ checkValEveryNEpoch: 2 }, DATA);
  const due = (epoch: number, batch: number, stopping: boolean): boolean =>
    isValidationDue(plan, { epoch, batch, totalBatches: epoch * 10 + batch }, stopping);
  assert.equal([due(1, 3, false), due(1, 3, true), due(0, 3, true), due(1, 10, false)], [false, true, false, true]);
  const without = planTraining({}, { ...DATA, validationBatches: [] });
  assert.not(isValidationDue(without, { epoch: 0, batch: 10, totalBatches: 10 }, true));
});

// batches of an epoch, of a validation, and whether samples are shuffled, as Lightning 2.6.6 has them for 64 samples in
// batches of 8 and a validation of 5 batches, with limit_train_batches=3 beside it
const OVERFITTING: [limit: TrainerSettings['overfitBatches'], batches: number, validation: number][] = [
  [2, 2, 2],
  [{ share: 0.5 }, 4, 2],
  [{ share: 1 }, 8, 5],
  [1, 1, 1],
  [100, 8, 5],
];

for (const [overfitBatches, batches, validation] of OVERFITTING) {
  test(`overfitBatches ${JSON.stringify(overfitBatches)} replaces both limits and keeps the order`, () => {
    const data = { samples: 64, batchSize: 8, shuffle: true, validationBatches: [5] };
    const plan = planTraining({ overfitBatches, limitTrainBatches: 3 }, data);
    assert.equal([plan.batchesPerEpoch, plan.validationBatches, plan.shuffle], [batches, [validation], false]);
  });
}

test('overfitBatches 0 changes nothing', () => {
  const plan = planTraining({ overfitBatches: 0, limitTrainBatches: 3 }, DATA);
  assert.equal([plan.batchesPerEpoch, plan.validationBatches, plan.shuffle], [3, [4], true]);
});

test('bad settings are named', () => {
  const bad: [TrainerSettings, RegExp][] = [
    [
      { maxSteps: 1.5 },
      /^options\.trainer\.maxSteps: expected a whole number of at least -1, received the number 1.5$/,
    ],
    [{ maxEpochs: -2 }, /^options\.trainer\.maxEpochs: /],
    [
      { maxTime: Number.NaN },
      /^options\.trainer\.maxTime: expected text like .* or a number of seconds, or null, received the number NaN$/,
    ],
    [{ accumulateGradBatches: 0 }, /^options\.trainer\.accumulateGradBatches: /],
    [
      { limitTrainBatches: { share: 1.5 } },
      /^options\.trainer\.limitTrainBatches: expected a whole number of batches .* or a share/,
    ],
    [
      { limitTrainBatches: { share: 0.01 } },
      /^options\.trainer\.limitTrainBatches: 0.01 of 10 batches is less than one batch$/,
    ],
    [{ limitValBatches: { batches: -1 } }, /^options\.trainer\.limitValBatches: /],
    [
      { valCheckInterval: { batches: 0 } },
      /^options\.trainer\.valCheckInterval: expected a whole number of batches of at least 1/,
    ],
    [{ valCheckInterval: { batches: 11 } }, /^options\.trainer\.valCheckInterval: 11 batches, but an epoch has 10/],
    [
      { valCheckInterval: { share: 0.5 }, checkValEveryNEpoch: null },
      /^options\.trainer\.valCheckInterval: a share of an epoch, 0.5, needs checkValEveryNEpoch/,
    ],
    [{ checkValEveryNEpoch: 0 }, /^options\.trainer\.checkValEveryNEpoch: /],
    [{ numSanityValSteps: -2 }, /^options\.trainer\.numSanityValSteps: /],
  ];
  for (const [settings, message] of bad) {
    assert.throws(
      () => planTraining(settings, DATA),
      (error: unknown) => error instanceof RankDistillmError && message.test(error.message),
    );
  }
});

test.run();
