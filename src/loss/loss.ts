/** Scores or targets of a batch, row-major: row q holds the documents of query q. */
export interface ScoreMatrix {
  readonly queries: number;
  readonly docs: number;
  /** [queries · docs] */
  readonly values: Float64Array;
}

export interface LossResult {
  value: number;
  /** [queries · docs], the derivative of `value` with respect to each score. */
  gradient: Float64Array;
}

/** A pure function of scores and targets, in float64. The engine only ever sees its gradient. */
export interface Loss {
  /** The class name under which it is logged, for example `RankNet`. */
  readonly name: string;
  /** Arguments that it was made with, to tell it apart from others of its class. */
  readonly initArgs?: Readonly<Record<string, unknown>>;
  compute(scores: ScoreMatrix, targets: ScoreMatrix): LossResult;
}
