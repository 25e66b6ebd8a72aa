/** Lightning's ModelCheckpoint arguments. */
export interface ModelCheckpointOptions {
  /** Default: `checkpoints` in the log folder. */
  dirpath?: string | undefined;
  /** Default `{epoch}-{step}`, which gives `epoch=0-step=5`. */
  filename?: string | undefined;
  /** `{loss}` in `filename` becomes `loss=0.5`; false: `0.5`. Default true. */
  autoInsertMetricName?: boolean | undefined;
  /** Name of a logged metric, `epoch` or `step`; undefined: the newest are kept. */
  monitor?: string | undefined;
  /** Default min. */
  mode?: 'min' | 'max' | undefined;
  /** Kept at a time; -1: all, 0: none. Default 1. */
  saveTopK?: number | undefined;
  /** Also keep `last`. */
  saveLast?: boolean | undefined;
  everyNTrainSteps?: number | undefined;
  /** Default 1 where `everyNTrainSteps` is not given. */
  everyNEpochs?: number | undefined;
  /**
   * Checkpoints of `everyNEpochs` are saved at the end of each epoch; false: after each validation. Default: as the
   * schedule of validations suggests.
   */
  saveOnTrainEpochEnd?: boolean | undefined;
}
