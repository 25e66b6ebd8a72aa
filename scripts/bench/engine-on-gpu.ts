import type { Binding, ComputePrecision, GpuInfo } from '../../binding.js';
import { loadBinding } from '../../src/engine/load-binding.js';
import type { Device } from './device.js';

/** TF32 is no precision of a model but an option of float32. */
export type GemmPrecision = ComputePrecision | 'tf32';
type Rate = Parameters<Binding['gemmRate']>;

/** The GPU that rows run on; undefined on the CPU. */
export function gpuOf(device: Device): GpuInfo | undefined {
  return device === 'cpu' ? undefined : loadBinding().info().gpus[0];
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
  return loadBinding().gemmRate(shape, tf32 ? 'float32' : precision, kernel, repeats, device, tf32);
}
