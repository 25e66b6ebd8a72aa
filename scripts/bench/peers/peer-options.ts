import type { Device } from '../device.js';
import type { PeerPrecision } from './contenders.js';

/** A pair as it lies in the file that all contenders read. */
export interface PeerPair {
  query: string;
  document: string;
  inputIds: number[];
  tokenTypeIds: number[];
}

/** What a contender's process is started with. */
export interface PeerOptions {
  folder: string;
  /** File of PeerPair[]. */
  pairs: string;
  device: Device;
  precision: PeerPrecision;
  /** Batches of equal length. */
  sorted: boolean;
  compiled: boolean;
  threads: number;
  /** Folder whose node_modules holds the peers that are npm packages, where one of them runs. */
  packages: string | undefined;
}

/** The first `count` pairs in batches of `batch`. */
export interface PeerRequest {
  count: number;
  batch: number;
}

export interface PeerAnswer {
  seconds: number;
  /** [count], in the file's order */
  scores: number[];
  /** Most of the GPU's memory that was held. */
  peakGpuMiB?: number | undefined;
}

export interface PeerHello {
  version: string;
}
