import { checkOptions, type OptionsOf } from '../config/read-settings.js';
import { scheduleOptions } from '../config/schema/training.js';
import { SettingError } from '../config/setting-error.js';
import type { LrSchedule } from './lr-schedule.js';

export type ConstantWarmupOptions = OptionsOf<typeof scheduleOptions.ConstantLRSchedulerWithLinearWarmup>;
export type LinearWarmupOptions = OptionsOf<typeof scheduleOptions.LinearLRSchedulerWithLinearWarmup>;

/** Factor during delay and warm-up, undefined afterwards. The first step after the delay still has rate 0. */
function warmup(step: number, numWarmupSteps: number, numDelaySteps: number): number | undefined {
  if (step < numDelaySteps) return 0;
  if (step < numWarmupSteps + numDelaySteps) return (step - numDelaySteps) / numWarmupSteps;
  return undefined;
}

/** lightning-ir's schedule of this name: delay, linear warm-up, then the optimizer's rate (lightning_ir/schedulers). */
export class ConstantLRSchedulerWithLinearWarmup implements LrSchedule {
  readonly name = 'ConstantLRSchedulerWithLinearWarmup';
  readonly #warmupSteps: number;
  readonly #delaySteps: number;

  /** @throws SettingError */
  constructor(options: ConstantWarmupOptions) {
    const settings = checkOptions(scheduleOptions.ConstantLRSchedulerWithLinearWarmup, options);
    this.#warmupSteps = settings.numWarmupSteps;
    this.#delaySteps = settings.numDelaySteps;
  }

  factor(step: number): number {
    return warmup(step, this.#warmupSteps, this.#delaySteps) ?? 1;
  }
}

/**
 * lightning-ir's schedule of this name: delay, linear warm-up, then linear decay that reaches `finalValue` at
 * `numTrainingSteps` and stays there (lightning_ir/schedulers). A run may be shorter than its warm-up.
 */
export class LinearLRSchedulerWithLinearWarmup implements LrSchedule {
  readonly name = 'LinearLRSchedulerWithLinearWarmup';
  readonly #warmupSteps: number;
  readonly #delaySteps: number;
  readonly #trainingSteps: number;
  readonly #finalValue: number;

  /**
   * @param totalSteps optimizer steps of the run, the default of `numTrainingSteps`
   * @throws SettingError
   */
  constructor(options: LinearWarmupOptions, totalSteps?: number) {
    const settings = checkOptions(scheduleOptions.LinearLRSchedulerWithLinearWarmup, options);
    const trainingSteps = settings.numTrainingSteps ?? totalSteps;
    if (trainingSteps === undefined) {
      throw new SettingError(['num_training_steps'], 'is not set, and only time limits the run', {
        hint: 'Set $num_training_steps, trainer.$max_steps or trainer.$max_epochs.',
      });
    }
    this.#warmupSteps = settings.numWarmupSteps;
    this.#delaySteps = settings.numDelaySteps;
    this.#trainingSteps = trainingSteps;
    this.#finalValue = settings.finalValue;
  }

  factor(step: number): number {
    const rising = warmup(step, this.#warmupSteps, this.#delaySteps);
    if (rising !== undefined) return rising;
    const before = this.#delaySteps + this.#warmupSteps;
    const decaySteps = this.#trainingSteps - before;
    // lightning-ir divides by zero here, or raises the rate above the optimizer's
    if (decaySteps <= 0) return this.#finalValue;
    return Math.max(this.#finalValue, 1 - ((1 - this.#finalValue) / decaySteps) * (step - before));
  }
}
