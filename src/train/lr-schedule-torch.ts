import { checkOptions, type OptionsOf } from '../config/read-settings.js';
import { scheduleOptions } from '../config/schema/training.js';
import { SettingError } from '../config/setting-error.js';
import type { LrSchedule } from './lr-schedule.js';

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
