import { readFileSync } from 'node:fs';
import type { Device } from './device.js';
import { gpuOf } from './engine-on-gpu.js';

function statusMiB(field: 'RssAnon' | 'VmHWM', pid: number | 'self' = 'self'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

/** Anonymous memory now: the figure that page cache and mapped files do not blur. */
export function anonymousMiB(): number {
  return statusMiB('RssAnon');
}

/** The most memory that a process has held so far, mapped files counted. */
export function peakRssMiB(pid?: number): number {
  return statusMiB('VmHWM', pid);
}

/** The same of the GPU's memory, by the engine's own count; undefined on the CPU. */
export function peakGpuMiB(device: Device): number | undefined {
  const gpu = gpuOf(device);
  return gpu && gpu.peakBytes / 2 ** 20;
}

/** Watches anonymous memory until it is stopped. */
export function watchAnonymous(): { stop(): number } {
  let largest = anonymousMiB();
  const look = (): void => void (largest = Math.max(largest, anonymousMiB()));
  const timer = setInterval(look, 50);
  return {
    stop() {
      clearInterval(timer);
      look();
      return largest;
    },
  };
}
