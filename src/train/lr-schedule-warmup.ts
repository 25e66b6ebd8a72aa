import { numberWithin, wholeNumber } from './check-argument.js';
import type { LrSchedule } from './lr-schedule.js';

export interface ConstantWarmupOptions {
  /** Steps in which the rate rises from 0 to the optimizer's. */
  numWarmupSteps: number;
  /** Steps at rate 0 before the warm-up. Default 0. */
  numDelaySteps?: number | undefined;
}

export interface LinearWarmupOptions extends ConstantWarmupOptions {
  /** All steps, delay and warm-up included. */
  numTrainingSteps: number;
  /** Share of the optimizer's rate at the end. Default 0. */
  finalValue?: number | undefined;
}

/** The rising part: undefined once the warm-up is over. The first step after the delay is still taken at rate 0. */
function warmup(step: number, numWarmupSteps: number, numDelaySteps: number): number | undefined {
  if (step < numDelaySteps) return 0;
  if (step < numWarmupSteps + numDelaySteps) return (step - numDelaySteps) / numWarmupSteps;
  return undefined;
}

/** lightning-ir's schedule of that name: delay, linear warm-up, then the optimizer's rate (lightning_ir/schedulers). */
export class ConstantLRSchedulerWithLinearWarmup implements LrSchedule {
  readonly name = 'ConstantLRSchedulerWithLinearWarmup';
  readonly #warmupSteps: number;
  readonly #delaySteps: number;

  /** @throws bad_input for an argument out of its range */
  constructor(options: ConstantWarmupOptions) {
    this.#warmupSteps = wholeNumber('numWarmupSteps', options.numWarmupSteps, 0);
    this.#delaySteps = wholeNumber('numDelaySteps', options.numDelaySteps ?? 0, 0);
  }

  factor(step: number): number {
    return warmup(step, this.#warmupSteps, this.#delaySteps) ?? 1;
  }
}

/**
 * lightning-ir's schedule of that name: delay, linear warm-up, then linear decay that reaches `finalValue` at
 * `numTrainingSteps` and stays there (lightning_ir/schedulers). A run may be shorter than its warm-up.
 */
export class LinearLRSchedulerWithLinearWarmup implements LrSchedule {
  readonly name = 'LinearLRSchedulerWithLinearWarmup';
  readonly #warmupSteps: number;
  readonly #delaySteps: number;
  readonly #trainingSteps: number;
  readonly #finalValue: number;

  /** @throws bad_input for an argument out of its range */
  constructor(options: LinearWarmupOptions) {
    this.#warmupSteps = wholeNumber('numWarmupSteps', options.numWarmupSteps, 0);
    this.#delaySteps = wholeNumber('numDelaySteps', options.numDelaySteps ?? 0, 0);
    this.#trainingSteps = wholeNumber('numTrainingSteps', options.numTrainingSteps, 0);
    this.#finalValue = numberWithin('finalValue', options.finalValue ?? 0, 0);
  }

  factor(step: number): number {
    const rising = warmup(step, this.#warmupSteps, this.#delaySteps);
    if (rising !== undefined) return rising;
    const before = this.#delaySteps + this.#warmupSteps;
    const decaySteps = this.#trainingSteps - before;
    // the run is over here: lightning-ir divides by zero, or lets the rate grow past the optimizer's
    if (decaySteps <= 0) return this.#finalValue;
    return Math.max(this.#finalValue, 1 - ((1 - this.#finalValue) / decaySteps) * (step - before));
  }
}
