export interface StepReport {
  /** Optimizer steps so far, this one included. */
  step: number;
  epoch: number;
  /** Batches of this epoch so far. */
  batch: number;
  /** Weighted sum, mean over accumulated batches. */
  loss: number;
  /** Each loss by its name, unweighted. */
  losses: Readonly<Record<string, number>>;
  /** Rate this step was taken with. */
  learningRate: number;
  /** Norm of the whole gradient before clipping. */
  gradientNorm: number;
  /** Pairs and tokens of the step. */
  pairs: number;
  tokens: number;
  /** Multiplications and additions of the linear layers. */
  linearFlops: number;
  /** Wall-clock seconds of the step. */
  seconds: number;
  /** Share of `seconds` in which the engine had to wait for data. */
  waitShare: number;
  /** True when the step was left out because of a value that was not finite. */
  skipped: boolean;
}

export interface ValidationReport {
  step: number;
  epoch: number;
  /** True before training. */
  sanityCheck: boolean;
  /** `<dataset>/nDCG@10`, `<dataset>/validation-RankNet`. */
  metrics: Readonly<Record<string, number>>;
}
