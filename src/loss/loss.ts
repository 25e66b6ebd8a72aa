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

/** A pure function of scores and targets, in float64. The engine uses only its gradient. */
export interface Loss {
  /** Name in logs, for example `RankNet`. */
  readonly name: string;
  /** Arguments of the constructor, recorded in checkpoints. */
  readonly initArgs?: Readonly<Record<string, unknown>>;
  /** Checksum of the source of a custom loss, recorded in checkpoints. */
  readonly source?: string;
  compute(scores: ScoreMatrix, targets: ScoreMatrix): LossResult;
}
