/** Logs metrics of a training run. */
export interface MetricLogger {
  /**
   * @param metrics by name, for example `loss`, `RankNet`, `lr-AdamW`, `my-set/nDCG@10`
   * @param step optimizer steps so far
   */
  log(metrics: Readonly<Record<string, number>>, step: number): Promise<void>;
  /** Resolves when everything logged is on disk. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Adds a prefix to metric names, as Lightning's loggers do. */
export function prefixed(
  metrics: Readonly<Record<string, number>>,
  prefix: string | undefined,
): Readonly<Record<string, number>> {
  if (!prefix) return metrics;
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}-${name}`, value]));
}

/** The name before `prefixed` changed it. */
export function unprefixed(name: string, prefix: string): string {
  return prefix !== '' && name.startsWith(`${prefix}-`) ? name.slice(prefix.length + 1) : name;
}
