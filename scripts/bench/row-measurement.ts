import type { ComputePrecision, OpSeconds } from '../../binding.js';
import type { Device } from './device.js';

/** What a row's process is asked for. */
export interface RowTask {
  workload: string;
  folder: string;
  device: Device;
  /** As Lightning writes it, or tf32. */
  precision: string;
  seconds: number;
  threads?: number | undefined;
  /** Training only: steps instead of seconds; tokens held at a time. */
  steps?: number | undefined;
  tokenBudget?: number | undefined;
}

/** Work that was done, and how long it took. */
export interface Work {
  pairs: number;
  tokens: number;
  /** Of the linear layers that were really executed; of training three times the forward's. */
  linearFlops: number;
  seconds: number;
  /** The engine thread's; in the rest of `seconds` it waited for tokenization and JavaScript. Training has none. */
  engineSeconds?: number | undefined;
  /** Thread seconds; training has none. */
  opSeconds?: OpSeconds | undefined;
}

export interface Latency {
  requests: number;
  documents: number;
  p50: number;
  p95: number;
  p99: number;
  /** The median over the time that as many pairs of dl20-bm25 take at full throughput. */
  timesThroughput: number;
}

export interface RowMeasurement extends Work {
  /** What was really computed in. */
  computed: ComputePrecision;
  /** `CrossEncoder.load`, files in the page cache; of training: `TrainableModel.load`. */
  loadSeconds: number;
  /** From the call of load to the first score, or to the end of the first step. */
  firstSeconds: number;
  peakRssMiB: number;
  peakAnonymousMiB: number;
  /** Most of the GPU's memory that was held at a time; none on the CPU. */
  peakGpuMiB: number | undefined;
  latency?: Latency | undefined;
}
