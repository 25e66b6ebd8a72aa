import { formatTable, type TableOptions } from '../../src/report/table.js';
import type { Device } from './device.js';

/** The measure that is compared. */
export const MEASURE = 'nDCG@10';

export interface RankingResult {
  device: Device;
  precision: string;
  measure: number;
  /** Above float32 on the CPU. */
  difference: number;
  /** Kendall's tau with float32 on the CPU, mean over topics. */
  tau: number;
  /** Root mean square of what scores differ by, over the deviation of all scores. */
  error: number;
}

/** A line for each precision. */
export function formatRanking(rows: readonly RankingResult[], options?: TableOptions): string {
  return formatTable(
    [
      { head: 'device' },
      { head: 'precision' },
      { head: MEASURE, digits: 4 },
      { head: 'difference', digits: 4 },
      { head: 'tau', digits: 4 },
      { head: 'error / deviation', digits: 5 },
    ],
    rows.map(({ device, precision, measure, difference, tau, error }) => [
      ...[device, precision, measure, difference, tau, error],
    ]),
    options,
  );
}
