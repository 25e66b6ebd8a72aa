import { badArgument, wholeNumber } from './check-argument.js';
import { monitored, type Metrics } from './monitored.js';
import { isBetter } from './ranked-checkpoints.js';

/** Lightning's EarlyStopping arguments. */
export interface EarlyStoppingOptions {
  monitor: string;
  /** Default min. */
  mode?: 'min' | 'max' | undefined;
  /** Validations without improvement. Default 3. */
  patience?: number | undefined;
  /** Smallest change that counts as improvement. Default 0. */
  minDelta?: number | undefined;
  /** Stop at once when reached. */
  stoppingThreshold?: number | undefined;
  /** Stop when worse than this. */
  divergenceThreshold?: number | undefined;
  /** A metric that is missing is an error. Default true. */
  strict?: boolean | undefined;
  /** Stop when the metric is not finite. Default true. */
  checkFinite?: boolean | undefined;
  /** Look at the end of each epoch; false: after each validation. Default: as the schedule of validations suggests. */
  checkOnTrainEpochEnd?: boolean | undefined;
}

export interface StoppingContext {
  /** TrainingPlan's: look at the metric at the epoch's end, else after each validation, where the options do not say. */
  judgesAtEpochEnd: boolean;
  /** Whether validations run at all. */
  validates: boolean;
}

/** What a stopper remembers, as JSON. */
export interface StoppingState {
  /** null: none yet. */
  best: number | null;
  /** Looks since then without improvement. */
  waited: number;
  validated: boolean;
  /** Why the run was to stop; null: it was not. */
  reason: string | null;
}

/**
 * Ends a run when a metric no longer gets better: Lightning's EarlyStopping (2.6). The loop calls it after each
 * validation and epoch, in this order, and stops where one of the two gives a reason.
 */
export class EarlyStopper {
  readonly #options: EarlyStoppingOptions;
  readonly #mode: 'min' | 'max';
  readonly #patience: number;
  /** What is taken off a value before it is compared with the best. */
  readonly #margin: number;
  readonly #judgesAtEpochEnd: boolean;
  readonly #validates: boolean;
  #state: StoppingState = { best: null, waited: 0, validated: false, reason: null };

  /** @throws bad_input for an argument out of its range */
  constructor(options: EarlyStoppingOptions, context: StoppingContext) {
    const { mode = 'min', patience = 3, minDelta = 0 } = options;
    if (mode !== 'min' && mode !== 'max') throw badArgument('mode', 'min or max', mode);
    this.#mode = mode;
    this.#patience = wholeNumber('patience', patience, 0);
    this.#margin = minDelta * (mode === 'min' ? -1 : 1);
    this.#options = options;
    this.#judgesAtEpochEnd = options.checkOnTrainEpochEnd ?? context.judgesAtEpochEnd;
    this.#validates = context.validates;
  }

  get state(): StoppingState {
    return { ...this.#state };
  }

  /** Why the run is to stop: a run that goes on from there ends at once. */
  get reason(): string | undefined {
    return this.#state.reason ?? undefined;
  }

  restore(state: StoppingState): void {
    this.#state = { ...state };
  }

  /** @returns why the run is to stop, in a sentence; undefined: it goes on */
  afterValidation(metrics: Metrics): string | undefined {
    this.#state.validated = true;
    return this.#judgesAtEpochEnd ? undefined : this.#judge(metrics);
  }

  /** @returns why the run is to stop, in a sentence; undefined: it goes on */
  afterEpoch(metrics: Metrics): string | undefined {
    return this.#judgesAtEpochEnd ? this.#judge(metrics) : undefined;
  }

  #judge(metrics: Metrics): string | undefined {
    const reason = this.#look(metrics);
    this.#state.reason = reason ?? null;
    return reason;
  }

  #look(metrics: Metrics): string | undefined {
    const { monitor, strict = true, checkFinite = true, stoppingThreshold, divergenceThreshold } = this.#options;
    const mayCome = !strict || (this.#validates && !this.#state.validated);
    const value = monitored('EarlyStopping', monitor, metrics, mayCome);
    if (value === undefined) return undefined;
    const best = this.#state.best === null ? 'none' : String(this.#state.best);
    if (checkFinite && !Number.isFinite(value)) return `${monitor} is ${value}; the best was ${best}`;
    if (stoppingThreshold !== undefined && isBetter(value, stoppingThreshold, this.#mode)) {
      return `${monitor} is ${value}, which is better than stoppingThreshold ${stoppingThreshold}`;
    }
    if (divergenceThreshold !== undefined && isBetter(divergenceThreshold, value, this.#mode)) {
      return `${monitor} is ${value}, which is worse than divergenceThreshold ${divergenceThreshold}`;
    }
    const comparable = Number.isNaN(value) ? null : value - this.#margin;
    if (isBetter(comparable, this.#state.best, this.#mode)) {
      this.#state = { ...this.#state, best: value, waited: 0 };
      return undefined;
    }
    this.#state.waited++;
    if (this.#state.waited < this.#patience) return undefined;
    return `${monitor} did not get better than ${best} in ${this.#state.waited} validations`;
  }
}
