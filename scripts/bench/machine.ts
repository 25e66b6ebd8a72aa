import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { loadBinding } from '../../src/engine/load-binding.js';
import type { Device } from './device.js';
import { gpuOf } from './engine-on-gpu.js';

/** What decides which kernels run, of /proc/cpuinfo. */
const SPEED_FLAGS = /^(sse4_2|avx|fma|f16c|amx)/;

/** What the figures belong to. */
export function machine(device: Device) {
  const info = loadBinding().info();
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/) ?? [];
  const gpu = gpuOf(device);
  return {
    ...(gpu && { gpu: gpu.name, gpuMemoryGiB: gpu.totalBytes / 2 ** 30 }),
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: totalmem() / 2 ** 30,
    features: info.cpuFeatures,
    kernels: info.kernels,
    cpuFlags: flags.filter((flag) => SPEED_FLAGS.test(flag)).sort(),
    threads: info.threads,
    libtorch: info.libtorch,
    node: process.version,
  };
}

export function machineLine(device: Device): string {
  const { gpu, cpu, threads, features, kernels, libtorch } = machine(device);
  return `${gpu === undefined ? '' : `${gpu}; `}${cpu}, ${threads} threads, ${features.join(' ')}, ${kernels} kernels, LibTorch ${libtorch}`;
}
