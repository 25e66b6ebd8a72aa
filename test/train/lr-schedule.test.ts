import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { ConstantLR, CosineAnnealingLR, LinearLR } from '../../src/train/lr-schedules.js';
import {
  ConstantLRSchedulerWithLinearWarmup,
  LinearLRSchedulerWithLinearWarmup,
} from '../../src/train/lr-schedules.js';
import type { LrSchedule } from '../../src/train/lr-schedules.js';

const test = suite('lr schedules');

/** Made by scripts/references/train.py. */
interface Case {
  name: string;
  args: Record<string, number>;
  lr: number;
  rates: number[];
}

const cases = JSON.parse(readFileSync(new URL('golden/schedules.json', import.meta.url), 'utf8')) as Case[];

function build({ name, args, lr }: Case): LrSchedule {
  const numWarmupSteps = args['num_warmup_steps'] ?? Number.NaN;
  const numDelaySteps = args['num_delay_steps'];
  const totalIters = args['total_iters'];
  switch (name) {
    case 'LinearLRSchedulerWithLinearWarmup':
      return new LinearLRSchedulerWithLinearWarmup({
        numWarmupSteps,
        numDelaySteps,
        numTrainingSteps: args['num_training_steps'] ?? Number.NaN,
        finalValue: args['final_value'],
      });
    case 'ConstantLRSchedulerWithLinearWarmup':
      return new ConstantLRSchedulerWithLinearWarmup({ numWarmupSteps, numDelaySteps });
    case 'LinearLR':
      return new LinearLR({ startFactor: args['start_factor'], endFactor: args['end_factor'], totalIters });
    case 'ConstantLR':
      return new ConstantLR({ factor: args['factor'], totalIters });
    case 'CosineAnnealingLR':
      return new CosineAnnealingLR({ tMax: args['T_max'] ?? Number.NaN, etaMin: args['eta_min'] }, lr);
    default:
      throw new Error(name);
  }
}

for (const one of cases) {
  test(`${one.name} ${JSON.stringify(one.args)} gives every step the rate that lightning-ir and torch give`, () => {
    const schedule = build(one);
    assert.is(schedule.name, one.name);
    one.rates.forEach((rate, step) => {
      const share = rate / one.lr;
      const factor = schedule.factor(step);
      assert.ok(Math.abs(factor - share) <= 1e-12, `step ${step}: ${factor} instead of ${share}`);
    });
  });
}

test('a decay without a step: the final value, where lightning-ir divides by zero', () => {
  const schedule = new LinearLRSchedulerWithLinearWarmup({ numWarmupSteps: 4, numTrainingSteps: 4, finalValue: 0.5 });
  assert.equal(
    [3, 4, 5].map((step) => schedule.factor(step)),
    [0.75, 0.5, 0.5],
  );
});

test('bad arguments are named', () => {
  const bad: [() => LrSchedule, RegExp][] = [
    [
      () => new ConstantLRSchedulerWithLinearWarmup({ numWarmupSteps: -1 }),
      /^options\.numWarmupSteps: expected a whole number/,
    ],
    [
      () => new ConstantLRSchedulerWithLinearWarmup({ numWarmupSteps: 1.5 }),
      /^options\.numWarmupSteps: .*received the number 1.5$/,
    ],
    [
      () => new LinearLRSchedulerWithLinearWarmup({ numWarmupSteps: 1, numTrainingSteps: -1 }),
      /^options\.numTrainingSteps: .*received the number -1$/,
    ],
    [
      () => new LinearLR({ startFactor: 0 }),
      /^options\.startFactor: expected a number above 0 and of at most 1, received the number 0$/,
    ],
    [
      () => new LinearLR({ endFactor: 1.5 }),
      /^options\.endFactor: expected a number of at least 0 and of at most 1, received the number 1.5$/,
    ],
    [() => new ConstantLR({ totalIters: 0 }), /^options\.totalIters: /],
    [() => new CosineAnnealingLR({ tMax: 0 }), /^options\.tMax: /],
    [() => new CosineAnnealingLR({ tMax: 5, etaMin: 1e-6 }), /^options\.etaMin: needs the optimizer's learning rate/],
  ];
  for (const [make, message] of bad) {
    assert.throws(make, (error: unknown) => error instanceof RankDistillmError && message.test(error.message));
  }
});

test.run();
