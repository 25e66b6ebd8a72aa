import type { ComputePrecision, GpuInfo } from '../../binding.js';

/** One thing that `doctor` looked at. */
export interface DoctorCheck {
  name: string;
  /** `warning`: it works, but perhaps not as intended. */
  status: 'ok' | 'warning' | 'failed';
  /** What was found, one line each. */
  lines: string[];
  /** How to fix it; undefined where the check is ok. */
  fix: string | undefined;
}

/** What a precision comes to on this machine. */
export interface PrecisionReport {
  /** As an option: `32-true`, `bf16-mixed`, `int8`. */
  asked: string;
  device: string;
  /** What the products are really computed in. */
  runs: ComputePrecision;
  /** The same with what is around the products. */
  arithmetic: string;
  /** Why it is this arithmetic: one sentence. */
  why: string;
  /** Rate of the products on all threads; 0 where the instructions are emulated, undefined on a GPU. */
  gflops: number | undefined;
  /** Of the self-test's scores, compared with the reference. */
  largestError: number;
  isRight: boolean;
}

export interface EngineReport {
  /** The addon for the CPU. */
  file: string;
  /** Why this file and no other. */
  why: string;
  /** Level of the kernels, see `EngineInfo`. */
  kernels: string;
  cpuFeatures: string[];
  threads: number;
  precisions: PrecisionReport[];
}

export interface MachineReport {
  cpu: string;
  /** CPUs of the system, and those that this process may use by its affinity. */
  cpus: number;
  allowedCpus: number;
  /** The cgroup's quota, in CPUs. */
  cgroupCpus: number | undefined;
  memoryBytes: number;
  availableBytes: number;
  cgroupBytes: number | undefined;
}

export interface GpuReport {
  /** Version of the NVIDIA kernel driver; undefined without one. */
  driver: string | undefined;
  /** Names by the driver. */
  names: string[];
  /** The addon for GPUs, if it is there, and the LibTorch it was built for. */
  file: string | undefined;
  libtorch: string | undefined;
  /** What LibTorch sees; undefined unless it was asked for. */
  opened: GpuInfo[] | undefined;
}

export interface HubReport {
  folder: string;
  models: number;
  bytes: number;
  /** Undefined where it can be written, else why not. */
  notWritable: string | undefined;
  /** The variable that forbids downloads, if one is set. */
  offline: string | undefined;
}

export interface ModelReport {
  name: string;
  /** Class of its weights, for example `MonoElectraModel`. */
  modelClass: string;
  layers: number;
  hiddenSize: number;
  parameters: number;
  /** Of its files. */
  weightBytes: number;
  precision: ComputePrecision;
  device: string;
  loadSeconds: number;
  /** Of the example: a query of seven words and a passage of 60. */
  exampleTokens: number;
  exampleScore: number;
  /** From the start of loading to the example's score. */
  firstScoreSeconds: number;
  pairsPerSecond: number;
}

/** What `doctor` found. */
export interface DoctorReport {
  /** No check failed. */
  ok: boolean;
  checks: DoctorCheck[];
  versions: {
    package: string;
    node: string;
    nodeApi: string;
    platform: string;
    /** The C library: `glibc 2.36`, or undefined for another one. */
    libc: string | undefined;
  };
  /** Variables of the environment that change what this package does. */
  variables: Record<string, string>;
  machine: MachineReport;
  engine: EngineReport | undefined;
  gpu: GpuReport;
  hub: HubReport;
  model: ModelReport | undefined;
}
