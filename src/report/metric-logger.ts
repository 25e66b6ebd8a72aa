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

/** Metrics under the names that a Lightning logger with a `prefix` gives them. */
export function prefixed(
  metrics: Readonly<Record<string, number>>,
  prefix: string | undefined,
): Readonly<Record<string, number>> {
  if (!prefix) return metrics;
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}-${name}`, value]));
}
