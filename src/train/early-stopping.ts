import { checkOptions, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { earlyStoppingOptions } from '../config/schema/callbacks.js';
import { monitored, watchedOther, type Metrics, type Watched } from './monitored.js';
import { isBetter } from './checkpoints/ranked.js';

/** Lightning's EarlyStopping arguments. */
export type EarlyStoppingOptions = OptionsOf<typeof earlyStoppingOptions>;

export interface StoppingContext {
  /** TrainingPlan's default: check the metric at the end of each epoch (true) or after each validation (false). */
  validatesAtEpochEnd: boolean;
  /** Whether the run validates. */
  validates: boolean;
  warn?: ((message: string) => void) | undefined;
}

/** State of a stopper, saved with each checkpoint. */
export interface StoppingState {
  /** What `best` is a value of; undefined: an older release saved the state. */
  watched?: Watched | undefined;
  /** null: none yet. */
  best: number | null;
  /** Checks since the best value. */
  waited: number;
  validated: boolean;
  /** Why the run stops; null: it continues. */
  reason: string | null;
}

/**
 * Stops a run when a metric no longer improves: Lightning's EarlyStopping (2.6). The loop calls it after each
 * validation and epoch, in this order, and stops when one of the calls returns a reason.
 */
export class EarlyStopper {
  readonly #options: SettingsOf<typeof earlyStoppingOptions>;
  /** Subtracted from a value before it is compared with the best. */
  readonly #margin: number;
  readonly #validatesAtEpochEnd: boolean;
  readonly #validates: boolean;
  readonly #warn: ((message: string) => void) | undefined;
  readonly #watched: Watched;
  #state: StoppingState;

  /** @throws SettingError */
  constructor(options: EarlyStoppingOptions, context: StoppingContext) {
    this.#options = checkOptions(earlyStoppingOptions, options);
    this.#margin = this.#options.minDelta * (this.#options.mode === 'min' ? -1 : 1);
    this.#validatesAtEpochEnd = this.#options.checkOnTrainEpochEnd ?? context.validatesAtEpochEnd;
    this.#validates = context.validates;
    this.#warn = context.warn;
    const { monitor, mode } = this.#options;
    this.#watched = { monitor, mode };
    this.#state = { watched: this.#watched, best: null, waited: 0, validated: false, reason: null };
  }

  get state(): StoppingState {
    return { ...this.#state };
  }

  /** Why the run stops; a run resumed from this state ends at once. */
  get reason(): string | undefined {
    return this.#state.reason ?? undefined;
  }

  /** Restores a saved state, unless its values are of another metric: the policy then begins anew. */
  restore(state: StoppingState): void {
    const other = watchedOther('EarlyStopping', state.watched, this.#watched);
    if (other === undefined) this.#state = { ...state, watched: this.#watched };
    else this.#warn?.(`${other}: it begins anew`);
  }

  /** @returns why the run stops, as a sentence; undefined: it continues */
  afterValidation(metrics: Metrics): string | undefined {
    this.#state.validated = true;
    return this.#validatesAtEpochEnd ? undefined : this.#update(metrics);
  }

  /** @returns why the run stops, as a sentence; undefined: it continues */
  afterEpoch(metrics: Metrics): string | undefined {
    return this.#validatesAtEpochEnd ? this.#update(metrics) : undefined;
  }

  #update(metrics: Metrics): string | undefined {
    const reason = this.#check(metrics);
    this.#state.reason = reason ?? null;
    return reason;
  }

  #check(metrics: Metrics): string | undefined {
    const { monitor, mode, patience, strict, checkFinite, stoppingThreshold, divergenceThreshold } = this.#options;
    const mayCome = !strict || (this.#validates && !this.#state.validated);
    const value = monitored('EarlyStopping', monitor, metrics, mayCome);
    if (value === undefined) return undefined;
    const best = this.#state.best === null ? 'none' : String(this.#state.best);
    if (checkFinite && !Number.isFinite(value)) return `${monitor} is ${value}; the best was ${best}`;
    if (stoppingThreshold !== null && isBetter(value, stoppingThreshold, mode)) {
      return `${monitor} is ${value}, which is better than stoppingThreshold ${stoppingThreshold}`;
    }
    if (divergenceThreshold !== null && isBetter(divergenceThreshold, value, mode)) {
      return `${monitor} is ${value}, which is worse than divergenceThreshold ${divergenceThreshold}`;
    }
    const comparable = Number.isNaN(value) ? null : value - this.#margin;
    if (isBetter(comparable, this.#state.best, mode)) {
      this.#state = { ...this.#state, best: value, waited: 0 };
      return undefined;
    }
    this.#state.waited++;
    if (this.#state.waited < patience) return undefined;
    return `${monitor} did not improve on ${best} in ${this.#state.waited} validations`;
  }
}
