/** Writes named numbers over the steps of a training run. */
export interface MetricLogger {
  /**
   * @param metrics by name, for example `loss`, `RankNet`, `lr-AdamW`, `my-set/nDCG@10`
   * @param step optimizer steps so far
   */
  log(metrics: Readonly<Record<string, number>>, step: number): Promise<void>;
  /** Everything logged is on disk when this resolves. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
