export interface StepReport {
  /** Optimizer steps so far, including this one. */
  step: number;
  epoch: number;
  /** Batches of this epoch so far. */
  batch: number;
  /** Weighted sum, mean over accumulated batches. */
  loss: number;
  /** Each loss by its name, unweighted. */
  losses: Readonly<Record<string, number>>;
  /** Learning rate of this step. */
  learningRate: number;
  /** Norm of the full gradient before clipping. */
  gradientNorm: number;
  pairs: number;
  tokens: number;
  /** FLOPs of the linear layers. */
  linearFlops: number;
  /** Wall-clock seconds of the step. */
  seconds: number;
  /** Share of `seconds` in which the engine waited for data. */
  waitShare: number;
  /** True when the step was skipped because of a non-finite value. */
  skipped: boolean;
}

export interface ValidationReport {
  step: number;
  epoch: number;
  /** True for the validation before the first step. */
  sanityCheck: boolean;
  /** `<dataset>/nDCG@10`, `<dataset>/validation-RankNet`. */
  metrics: Readonly<Record<string, number>>;
}
