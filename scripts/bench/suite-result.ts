import type { OpSeconds } from '../../binding.js';
import type { GemmPeak } from './gemm-peak.js';
import { precisionLabel } from './native-precisions.js';
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
  gemmPeakGflops: number | undefined;
  gemmPeak: GemmPeak | undefined;
  ratio: number | undefined;
  /** Of the time, that the engine was at work and did not wait for tokenization; training does not say. */
  engineShare: number | undefined;
  /** Of the threads' time, by class of op. */
  opShare: OpSeconds | undefined;
  latency: Latency | undefined;
  pairs: number;
  seconds: number;
  loadSeconds: number;
  firstSeconds: number;
  peakRssMiB: number;
  peakAnonymousMiB: number;
  peakGpuMiB: number | undefined;
}

export function resultOf(row: Row, measured: RowMeasurement, gemmPeak: GemmPeak | undefined): SuiteResult {
  const { pairs, tokens, linearFlops, seconds, opSeconds, latency } = measured;
  const { engineSeconds, loadSeconds, firstSeconds, peakRssMiB, peakAnonymousMiB, peakGpuMiB } = measured;
  const gflops = linearFlops / seconds / 1e9;
  return {
    ...row,
    precision: precisionLabel(row.precision, measured.computed),
    pairsPerSecond: pairs / seconds,
    tokensPerSecond: tokens / seconds,
    gflops,
    gemmPeakGflops: gemmPeak?.gflops,
    gemmPeak,
    ratio: gemmPeak && gflops / gemmPeak.gflops,
    engineShare: engineSeconds === undefined ? undefined : engineSeconds / seconds,
    opShare: opSeconds && sharesOfOps(opSeconds),
    latency,
    pairs,
    seconds,
    loadSeconds,
    firstSeconds,
    peakRssMiB,
    peakAnonymousMiB,
    peakGpuMiB,
  };
}
