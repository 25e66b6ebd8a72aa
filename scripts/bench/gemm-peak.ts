import { cpus } from 'node:os';
import { loadBinding } from '../../src/engine/load-binding.js';

/** The products of an ELECTRA-base layer at a block's rows. */
const GEMM_SHAPES = [256, 512, 1024, 2048].flatMap((m) => [
  { m, n: 2304, k: 768 },
  { m, n: 3072, k: 768 },
  { m, n: 768, k: 3072 },
]);

/** Best GFLOP/s of at::linear over the model's shapes, five tries each. */
export async function gemmPeak(precision: 'float32' | 'bfloat16'): Promise<number> {
  let best = 0;
  for (const shape of GEMM_SHAPES) best = Math.max(best, await loadBinding().gemmRate(shape, precision, 5));
  return best;
}

/** What the figures belong to. */
export function machine() {
  const info = loadBinding().info();
  return { cpu: cpus()[0]?.model, features: info.cpuFeatures, threads: info.threads, libtorch: info.libtorch };
}

export function machineLine(): string {
  const { cpu, threads, features, libtorch } = machine();
  return `${cpu}, ${threads} threads, ${features.join(' ')}, LibTorch ${libtorch}`;
}
