/** Lightning's ModelCheckpoint arguments. */
export interface ModelCheckpointOptions {
  /** Default: `checkpoints` in the log folder. */
  dirpath?: string | undefined;
  /** Default `epoch={epoch}-step={step}`. */
  filename?: string | undefined;
  /** Name of a logged metric; undefined: the newest are kept. */
  monitor?: string | undefined;
  /** Default min. */
  mode?: 'min' | 'max' | undefined;
  /** Kept at a time; -1: all, 0: none. Default 1. */
  saveTopK?: number | undefined;
  /** Also keep `last`. */
  saveLast?: boolean | undefined;
  everyNTrainSteps?: number | undefined;
  everyNEpochs?: number | undefined;
}
