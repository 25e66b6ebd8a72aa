import { formatTable, type TableOptions } from '../../src/report/table.js';
import type { Device } from './device.js';
import { rateColumn, rateUnit } from './rate-unit.js';

/** What is printed of a trainer, ours or a peer. */
export interface TrainingResult {
  trainer: string;
  precision: string;
  pairsPerSecond: number;
  tokensPerSecond?: number;
  gflops?: number;
  gemmPeakGflops?: number | undefined;
  ratio?: number | undefined;
  /** Ours a second over the peer's. */
  oursOverTheirs?: number;
  /** Pairs, where the peer chose among some. */
  microBatch?: number;
  /** The GPU's on cuda. */
  peakMemoryMiB: number;
}

/** A line for each trainer. */
export function formatTraining(rows: readonly TrainingResult[], device: Device, options?: TableOptions): string {
  const unit = rateUnit(device);
  return formatTable(
    [
      { head: 'trainer' },
      { head: 'precision' },
      { head: 'pairs/s', digits: 2 },
      { head: 'tokens/s', digits: 0 },
      rateColumn(unit.name, device),
      rateColumn('GEMM peak', device),
      { head: 'ratio', digits: 2 },
      { head: 'ours / theirs', digits: 2 },
      { head: 'micro-batch' },
      { head: device === 'cuda' ? 'GPU peak MiB' : 'peak MiB', digits: 0 },
    ],
    rows.map((row) => [
      row.trainer,
      row.precision,
      row.pairsPerSecond,
      row.tokensPerSecond,
      row.gflops && row.gflops / unit.gflops,
      row.gemmPeakGflops && row.gemmPeakGflops / unit.gflops,
      row.ratio,
      row.oursOverTheirs,
      row.microBatch,
      row.peakMemoryMiB,
    ]),
    options,
  );
}
