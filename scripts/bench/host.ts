import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { ComputePrecision, GemmShape, GpuInfo } from '../../binding.js';
import type { LoadOptions } from '../../src/engine/cross-encoder-options.js';
import { bindingOf, loadBinding, loadTorchBinding } from '../../src/io/load-binding.js';
import { formatTable, type Cell, type Column } from '../../src/report/table.js';
import { SetupError } from '../lib/say.mjs';

export const DEVICES = ['cpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

/** A name of the command line, one of some. */
export function oneOf<T extends string>(option: string, value: string, names: readonly T[]): T {
  const found = names.find((name) => name === value);
  if (found !== undefined) return found;
  throw new SetupError(`--${option} ${value}: no such ${option}`, `There are: ${names.join(', ')}`);
}

/** The words after `--only`, quoted together or not. */
export function wordsOf(only: readonly string[], positionals: readonly string[]): string[] {
  return [...only, ...positionals].flatMap((text) => text.split(/\s+/)).filter((word) => word !== '');
}

export const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

/** How a model is asked for a device and a row's precision: TF32 is an option of float32, not a precision. */
export function engineOptions(device: Device, precision: string): LoadOptions {
  return precision === 'tf32' ? { device, precision: '32-true', tf32: true } : { device, precision };
}

export type GemmPrecision = ComputePrecision | 'tf32';
export type GemmKernel = 'own' | 'onednn' | 'aten';

/** The rate of a product on either device: of ours, or of LibTorch's where its addon is built. */
export function gemmRate(
  shape: GemmShape,
  precision: GemmPrecision,
  kernel: GemmKernel,
  repeats: number,
  device: Device,
): Promise<number> {
  const type = precision === 'tf32' ? 'float32' : precision;
  if (kernel === 'own') return loadBinding().gemmRate(shape, type, repeats);
  return loadTorchBinding().rivalGemmRate(shape, type, repeats, kernel, device, precision === 'tf32');
}

/** The GPU that rows run on; undefined on the CPU. */
function gpuOf(device: Device): GpuInfo | undefined {
  return device === 'cpu' ? undefined : loadTorchBinding().info().gpus[0];
}

/** A field of a process's status, in MiB: RssAnon, which page cache and mapped files do not blur, or VmHWM, the peak of all. */
export function statusMiB(field: 'RssAnon' | 'VmHWM', pid: number | 'self' = 'self'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

/** The most of the GPU's memory that was held, by the engine's count; undefined on the CPU. */
export function peakGpuMiB(device: Device): number | undefined {
  const gpu = gpuOf(device);
  return gpu && gpu.peakBytes / 2 ** 20;
}

/** Watches anonymous memory until it is stopped; that returns the largest value. */
export function watchAnonymous(): { stop(): number } {
  let largest = 0;
  const look = (): number => (largest = Math.max(largest, statusMiB('RssAnon')));
  const timer = setInterval(look, 50);
  look();
  return {
    stop() {
      clearInterval(timer);
      return look();
    },
  };
}

/** What the figures belong to. */
export function machine(device: Device) {
  const info = bindingOf(device).info();
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/) ?? [];
  const gpu = gpuOf(device);
  return {
    ...(gpu && { gpu: gpu.name, gpuMemoryGiB: gpu.totalBytes / 2 ** 30 }),
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: totalmem() / 2 ** 30,
    features: info.cpuFeatures,
    kernels: info.kernels,
    cpuFlags: flags.filter((flag) => /^(sse4_2|avx|fma|f16c|amx)/.test(flag)).sort(),
    threads: info.threads,
    libtorch: info.libtorch,
    node: process.version,
  };
}

export function machineLine(device: Device): string {
  const { gpu, cpu, threads, features, kernels, libtorch } = machine(device);
  return `${gpu === undefined ? '' : `${gpu}; `}${cpu}, ${threads} threads, ${features.join(' ')}, ${kernels} kernels${libtorch === undefined ? '' : `, LibTorch ${libtorch}`}`;
}

/** A column of a table of `Row`s. */
export type ColumnOf<Row> = Column & { of: (row: Row) => Cell };

export function tableOf<Row>(columns: readonly ColumnOf<Row>[], rows: readonly Row[]): string {
  return formatTable(
    columns,
    rows.map((row) => columns.map(({ of }) => of(row))),
  );
}

/** Of every bench that has figures: where they come from and go to. */
export const OPTIONS = {
  device: { type: 'string', default: 'cpu' },
  json: { type: 'boolean', default: false },
  out: { type: 'string' },
} as const;
export const OPTIONS_USAGE = `  --device NAME    ${DEVICES.join(' or ')}; default cpu
  --json           one object instead of tables
  --out FILE       writes that object to a file, too`;

/** Prints tables, or an object with their figures; both where it goes to a file. */
export function printReport(
  { json, out }: { json: boolean; out?: string | undefined },
  data: object,
  text: string,
): void {
  const printed = JSON.stringify(data, null, 2);
  if (out !== undefined) writeFileSync(out, `${printed}\n`);
  console.log(json ? printed : text);
}

/** Columns of what was reached and of the GEMM peak, in the unit of the device. */
export function rateColumns<Row extends { gflops?: number; gemmPeakGflops?: number | undefined }>(
  device: Device,
): ColumnOf<Row>[] {
  const [name, gflops, digits] = device === 'cuda' ? ['TFLOP/s', 1000, 1] : ['GFLOP/s', 1, 0];
  return [
    { head: name, digits, of: (row) => row.gflops && row.gflops / gflops },
    { head: 'GEMM peak', digits, of: (row) => row.gemmPeakGflops && row.gemmPeakGflops / gflops },
  ];
}

/** Reports what was measured so far when a time limit ends the run from outside. */
export function reportWhenEnded(report: () => void): void {
  process.once('SIGTERM', () => {
    say('ended from outside; what was measured so far:');
    report();
    process.exit(143);
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
