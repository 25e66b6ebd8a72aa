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
}
