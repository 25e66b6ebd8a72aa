import type { Binding, ComputePrecision, EncoderConfig, EngineInfo, ModelOptions } from '../../binding.js';
import type { OptionNames } from '../config/option-names.js';
import { readPrecision, enginePrecision, type PrecisionName } from '../config/precision.js';
import { badArgument, checkThreads } from './check-argument.js';
import { chooseDevice } from './device.js';
import { tokenizerThreads } from './tokenizer-threads.js';

/** Where a model computes, and in what. */
export interface EngineOptions {
  /** `cpu`, `cuda`, `cuda:N` or `auto` (default): the first GPU where there is one, else the CPU. */
  device?: string | undefined;
  /**
   * `32-true` (default), `bf16-mixed` or `bf16-true`, as in Lightning; on a CPU the two bf16 ones are the same. `int8`
   * quantises the linear layers of a model that scores on a CPU, see docs/numerics.md.
   */
  precision?: string | number | undefined;
  /** GPUs: float32 products on tensor cores with 10 bits of mantissa, several times as fast. Default false. */
  tf32?: boolean | undefined;
  /** GPUs: share of the memory that this process may take, above 0 to 1. Default: what is free. */
  memoryFraction?: number | undefined;
  /** GPUs: measure the time of each kind of operation (`ScoredWindow.result.opSeconds`), which costs some. Default false. */
  timed?: boolean | undefined;
  /** Engine threads, process-wide; by default physical cores or the cgroup's share. */
  threads?: number | undefined;
  /**
   * Worker threads that tokenize, started by the first large request; 0: the main thread does it. Default: 0 on a CPU,
   * whose cores the engine needs, else the number of cores less 2, at most 8.
   */
  tokenizerThreads?: number | undefined;
}

export const ENGINE_OPTIONS: OptionNames<EngineOptions> = {
  device: true,
  precision: true,
  tf32: true,
  memoryFraction: true,
  timed: true,
  threads: true,
  tokenizerThreads: true,
};

/** What the engine is told, and the names for messages. */
export interface ResolvedEngine {
  device: string;
  precision: PrecisionName;
  compute: ComputePrecision;
  tokenizerThreads: number;
  native: Pick<
    ModelOptions,
    'device' | 'precision' | 'tf32' | 'bfloat16Stream' | 'memoryFraction' | 'threads' | 'timed'
  >;
}

/** @throws RankDistillmError `bad_input`, `unsupported`: a device that is not there, a precision that it lacks */
export function resolveEngine(options: EngineOptions, binding: Pick<Binding, 'info'>): ResolvedEngine {
  const threads = checkThreads(options.threads);
  const memoryFraction = checkShare(options.memoryFraction);
  const device = chooseDevice(options.device, 'device', () => binding.info().devices);
  const precision = readPrecision(options.precision ?? null, 'precision', device);
  const compute = enginePrecision(precision);
  return {
    device,
    precision,
    compute,
    tokenizerThreads: tokenizerThreads(options.tokenizerThreads, device),
    native: {
      device,
      precision: compute,
      threads,
      tf32: options.tf32 ?? false,
      bfloat16Stream: precision === 'bf16-true',
      memoryFraction: memoryFraction ?? 0,
      timed: options.timed ?? false,
    },
  };
}

/** What scores will really be computed in, as `scoring_precision` in native/model/config.cc decides. */
export function scoringPrecision(
  { device, compute }: ResolvedEngine,
  { hiddenSize, heads }: EncoderConfig,
  { bf16, cpuFeatures }: EngineInfo,
): ComputePrecision {
  if (device !== 'cpu' || compute === 'float32') return compute;
  const has = compute === 'int8' ? cpuFeatures.includes('avx512_vnni') : bf16 && (hiddenSize / heads) % 2 === 0;
  return has ? compute : 'int16';
}

function checkShare(memoryFraction: number | undefined): number | undefined {
  if (memoryFraction === undefined || (memoryFraction > 0 && memoryFraction <= 1)) return memoryFraction;
  throw badArgument('memoryFraction', 'a number above 0, at most 1', memoryFraction);
}
