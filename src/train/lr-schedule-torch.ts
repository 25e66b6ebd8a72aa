import { badArgument, numberWithin, wholeNumber } from './check-argument.js';
import type { LrSchedule } from './lr-schedule.js';

export interface LinearLROptions {
  /** Factor of the first step, above 0. Default 1/3. */
  startFactor?: number | undefined;
  /** Factor from `totalIters` steps on. Default 1. */
  endFactor?: number | undefined;
  /** Default 5. */
  totalIters?: number | undefined;
}

/** torch.optim.lr_scheduler.LinearLR, stepped at each optimizer step. */
export class LinearLR implements LrSchedule {
  readonly name = 'LinearLR';
  readonly #start: number;
  readonly #end: number;
  readonly #steps: number;

  /** @throws bad_input for an argument out of its range */
  constructor(options: LinearLROptions = {}) {
    const start = options.startFactor ?? 1 / 3;
    if (!(start > 0 && start <= 1)) throw badArgument('startFactor', 'a number above 0, at most 1', start);
    this.#start = start;
    this.#end = numberWithin('endFactor', options.endFactor ?? 1, 0, 1);
    this.#steps = wholeNumber('totalIters', options.totalIters ?? 5, 1);
  }

  factor(step: number): number {
    return this.#start + ((this.#end - this.#start) * Math.min(step, this.#steps)) / this.#steps;
  }
}

export interface ConstantLROptions {
  /** Factor of the first `totalIters` steps. Default 1/3. */
  factor?: number | undefined;
  /** Default 5. */
  totalIters?: number | undefined;
}

/** torch.optim.lr_scheduler.ConstantLR, stepped at each optimizer step. */
export class ConstantLR implements LrSchedule {
  readonly name = 'ConstantLR';
  readonly #factor: number;
  readonly #steps: number;

  /** @throws bad_input for an argument out of its range */
  constructor(options: ConstantLROptions = {}) {
    this.#factor = numberWithin('factor', options.factor ?? 1 / 3, 0, 1);
    this.#steps = wholeNumber('totalIters', options.totalIters ?? 5, 1);
  }

  factor(step: number): number {
    return step < this.#steps ? this.#factor : 1;
  }
}

export interface CosineAnnealingLROptions {
  /** Steps of half a wave; goes up again after them, as in torch. */
  tMax: number;
  /** Smallest rate (a rate, not a share). Default 0. */
  etaMin?: number | undefined;
  /** The optimizer's rate; needed where `etaMin` is not 0. */
  lr?: number | undefined;
}

/**
 * torch.optim.lr_scheduler.CosineAnnealingLR, stepped at each optimizer step: half waves without restarts
 * (Loshchilov and Hutter, https://arxiv.org/abs/1608.03983).
 */
export class CosineAnnealingLR implements LrSchedule {
  readonly name = 'CosineAnnealingLR';
  readonly #steps: number;
  readonly #least: number;

  /** @throws bad_input for an argument out of its range */
  constructor(options: CosineAnnealingLROptions) {
    this.#steps = wholeNumber('tMax', options.tMax, 1);
    const etaMin = numberWithin('etaMin', options.etaMin ?? 0, 0);
    if (etaMin > 0 && !(options.lr !== undefined && options.lr > 0 && Number.isFinite(options.lr))) {
      throw badArgument('lr', "the optimizer's rate beside etaMin, above 0", options.lr);
    }
    this.#least = etaMin === 0 ? 0 : etaMin / (options.lr ?? 1);
  }

  factor(step: number): number {
    return this.#least + ((1 - this.#least) * (1 + Math.cos((Math.PI * step) / this.#steps))) / 2;
  }
}
