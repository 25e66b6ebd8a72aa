import type { Binding, ComputePrecision, EngineInfo } from '../../binding.js';
import { loadBinding } from '../../src/engine/load-binding.js';
import type { Device } from './device.js';

/** What a build for CUDA says of each GPU besides what binding.d.ts promises of all builds. */
interface GpuInfo {
  name: string;
  totalBytes: number;
  peakBytes: number;
}

/** TF32 is no precision of a model but an option of float32. */
export type GemmPrecision = ComputePrecision | 'tf32';
type Rate = Parameters<Binding['gemmRate']>;
type DeviceRate = (
  shape: Rate[0],
  precision: ComputePrecision,
  kernel: Rate[2],
  repeats: number,
  device: string,
  tf32: boolean,
) => Promise<number>;

/** The GPU that rows run on; undefined on the CPU. */
export function gpuOf(device: Device): GpuInfo | undefined {
  if (device === 'cpu') return undefined;
  return (loadBinding().info() as EngineInfo & { gpus?: GpuInfo[] }).gpus?.[0];
}

/** `gemmRate` on either device. */
export function gemmRate(
  shape: Rate[0],
  precision: GemmPrecision,
  kernel: Rate[2],
  repeats: number,
  device: Device,
): Promise<number> {
  const tf32 = precision === 'tf32';
  const binding = loadBinding() as unknown as { gemmRate: DeviceRate };
  return binding.gemmRate(shape, tf32 ? 'float32' : precision, kernel, repeats, device, tf32);
}
