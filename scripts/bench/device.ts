import type { LoadOptions } from '../../src/engine/cross-encoder.js';
import { SetupError } from '../lib/say.mjs';

export const DEVICES = ['cpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

/** The device of `--device`. */
export function deviceNamed(value: string): Device {
  const found = DEVICES.find((device) => device === value);
  if (found) return found;
  throw new SetupError(`--device ${value}: no such device`, `There are: ${DEVICES.join(', ')}`);
}

/** How a model is asked for a device and a row's precision: TF32 is an option of float32 and no precision of its own. */
export function engineOptions(device: Device, precision: string): LoadOptions {
  return precision === 'tf32' ? { device, precision: '32-true', tf32: true } : { device, precision };
}
