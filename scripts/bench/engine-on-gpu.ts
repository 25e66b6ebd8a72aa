import type { Binding, ComputePrecision, EngineInfo } from '../../binding.js';
import { loadBinding } from '../../src/engine/load-binding.js';
import type { Device } from './device.js';

/** What a build for CUDA says of each GPU besides what binding.d.ts promises of all builds. */
export interface GpuInfo {
  name: string;
  totalBytes: number;
  freeBytes: number;
  reservedBytes: number;
  peakBytes: number;
}

/** TF32 is no precision of a model. */
export type GemmPrecision = ComputePrecision | 'tf32';
type Rate = Parameters<Binding['gemmRate']>;
type DeviceRate = (
  shape: Rate[0],
  precision: GemmPrecision,
  kernel: Rate[2],
  repeats: number,
  device: string,
) => unknown;

/** The GPU that rows run on; undefined on the CPU. */
export function gpuOf(device: Device): GpuInfo | undefined {
  if (device === 'cpu') return undefined;
  return (loadBinding().info() as EngineInfo & { gpus?: GpuInfo[] }).gpus?.[0];
}

/** `gemmRate` on either device; 0 where the engine does not know the precision by that name. */
export async function gemmRate(
  shape: Rate[0],
  precision: GemmPrecision,
  kernel: Rate[2],
  repeats: number,
  device: Device,
): Promise<number> {
  const binding = loadBinding() as unknown as { gemmRate: DeviceRate };
  try {
    return (await binding.gemmRate(shape, precision, kernel, repeats, device)) as number;
  } catch (error) {
    if (precision === 'tf32') return 0;
    throw error;
  }
}
