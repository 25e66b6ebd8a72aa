import { checkOptions, type OptionsOf } from '../config/read-settings.js';
import { scheduleOptions } from '../config/schema/training.js';
import { SettingError } from '../config/setting-error.js';

/** A learning-rate schedule: a pure function of the step, so that a resume needs no state. */
export interface LrSchedule {
  /** Class name, for messages. */
  readonly name: string;
  /** @param step optimizer steps before this one @returns factor on the optimizer's `lr` */
  factor(step: number): number;
}

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

export type LinearLROptions = OptionsOf<typeof scheduleOptions.LinearLR>;

/** torch.optim.lr_scheduler.LinearLR, stepped at each optimizer step. */
export class LinearLR implements LrSchedule {
  readonly name = 'LinearLR';
  readonly #start: number;
  readonly #end: number;
  readonly #steps: number;

  /** @throws SettingError */
  constructor(options: LinearLROptions = {}) {
    const { startFactor, endFactor, totalIters } = checkOptions(scheduleOptions.LinearLR, options);
    this.#start = startFactor;
    this.#end = endFactor;
    this.#steps = totalIters;
  }

  factor(step: number): number {
    return this.#start + ((this.#end - this.#start) * Math.min(step, this.#steps)) / this.#steps;
  }
}

export type ConstantLROptions = OptionsOf<typeof scheduleOptions.ConstantLR>;

/** torch.optim.lr_scheduler.ConstantLR, stepped at each optimizer step. */
export class ConstantLR implements LrSchedule {
  readonly name = 'ConstantLR';
  readonly #factor: number;
  readonly #steps: number;

  /** @throws SettingError */
  constructor(options: ConstantLROptions = {}) {
    const { factor, totalIters } = checkOptions(scheduleOptions.ConstantLR, options);
    this.#factor = factor;
    this.#steps = totalIters;
  }

  factor(step: number): number {
    return step < this.#steps ? this.#factor : 1;
  }
}

export type CosineAnnealingLROptions = OptionsOf<typeof scheduleOptions.CosineAnnealingLR>;

/**
 * torch.optim.lr_scheduler.CosineAnnealingLR, stepped at each optimizer step: half waves without restarts
 * (Loshchilov and Hutter, https://arxiv.org/abs/1608.03983).
 */
export class CosineAnnealingLR implements LrSchedule {
  readonly name = 'CosineAnnealingLR';
  readonly #steps: number;
  readonly #least: number;

  /**
   * @param lr the optimizer's learning rate; required when `etaMin` is not 0
   * @throws SettingError
   */
  constructor(options: CosineAnnealingLROptions, lr = 0) {
    const { tMax, etaMin } = checkOptions(scheduleOptions.CosineAnnealingLR, options);
    if (etaMin > 0 && !(lr > 0)) {
      throw new SettingError(['eta_min'], `needs the optimizer's learning rate, received ${lr}`, {
        hint: "Pass the optimizer's lr, above 0, as the second argument.",
      });
    }
    this.#steps = tMax;
    this.#least = etaMin === 0 ? 0 : etaMin / lr;
  }

  factor(step: number): number {
    return this.#least + ((1 - this.#least) * (1 + Math.cos((Math.PI * step) / this.#steps))) / 2;
  }
}
