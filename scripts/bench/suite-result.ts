import type { OpSeconds } from '../../binding.js';
import type { GemmPeak } from './gemm-peak.js';
import { sharesOfOps } from './op-seconds.js';
import type { Latency, RowMeasurement } from './row-measurement.js';
import type { Row } from './rows.js';

/** A row of the report: what `--json` prints. */
export interface SuiteResult extends Omit<Row, 'precision'> {
  precision: string;
  pairsPerSecond: number;
  tokensPerSecond: number;
  /** Of the linear layers' multiplications that were really executed. */
  gflops: number;
  /** The best that was reached on the model's matrices in the same run, and by which kernel on which. */
  gemmPeakGflops: number;
  gemmPeak: Omit<GemmPeak, 'gflops'>;
  ratio: number;
  /** Of the threads' time, by class of op. */
  opShare: OpSeconds | undefined;
  latency: Latency | undefined;
  pairs: number;
  seconds: number;
  loadSeconds: number;
  firstSeconds: number;
  peakRssMiB: number;
  peakAnonymousMiB: number;
}

export function resultOf(row: Row, measured: RowMeasurement, { gflops: peak, ...gemmPeak }: GemmPeak): SuiteResult {
  const { pairs, tokens, linearFlops, seconds, opSeconds, latency } = measured;
  const { loadSeconds, firstSeconds, peakRssMiB, peakAnonymousMiB } = measured;
  const gflops = linearFlops / seconds / 1e9;
  return {
    ...row,
    pairsPerSecond: pairs / seconds,
    tokensPerSecond: tokens / seconds,
    gflops,
    gemmPeakGflops: peak,
    gemmPeak,
    ratio: gflops / peak,
    opShare: opSeconds && sharesOfOps(opSeconds),
    latency,
    pairs,
    seconds,
    loadSeconds,
    firstSeconds,
    peakRssMiB,
    peakAnonymousMiB,
  };
}
