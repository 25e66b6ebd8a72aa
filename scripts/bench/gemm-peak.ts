import type { Binding, ComputePrecision } from '../../binding.js';
import { loadBinding } from '../../src/engine/load-binding.js';
import type { ElectraShape } from '../demo/electra-folder.js';

/** Rows of a block: likely ones first, since time may end the search. */
const ROWS = [512, 1024, 2048, 256, 4096, 8192];
/** The search for the best shapes ends after this. */
const SEARCH_SECONDS = 4;
/** Products that take longer are left out: on such a machine smaller ones are as fast. */
const PRODUCT_SECONDS = 0.15;
const REPEATS = 5;

const KERNELS = ['own', 'onednn', 'aten'] as const;
type GemmKernel = (typeof KERNELS)[number];
/** [m, k] x [k, n] */
type GemmShape = Parameters<Binding['gemmRate']>[0];

export interface GemmPeak {
  gflops: number;
  kernel: GemmKernel;
  shape: GemmShape;
  byKernel: Record<GemmKernel, number>;
}

interface Best {
  gflops: number;
  shape: GemmShape;
}

/** What the matrices of a layer follow from. */
export type LayerSizes = Pick<ElectraShape, 'hiddenSize' | 'intermediateSize'>;

/** A layer's matrices: query, key and value at once; up; down; attention's output. */
function linearShapes({ hiddenSize: h, intermediateSize: i }: LayerSizes): { n: number; k: number }[] {
  return [
    { n: 3 * h, k: h },
    { n: i, k: h },
    { n: h, k: i },
    { n: h, k: h },
  ];
}

/** GEMM peaks of this run, by size of the layers and precision: each is the best of all that was measured. */
export class GemmPeaks {
  readonly #found = new Map<string, Map<GemmKernel, Best>>();

  /** Looks for each kernel's best shape at the first call, and measures these again at each. */
  async measure(model: LayerSizes, precision: ComputePrecision): Promise<void> {
    const key = keyOf(model, precision);
    const best = this.#found.get(key) ?? (await search(model, precision));
    this.#found.set(key, best);
    for (const [kernel, { shape }] of best)
      keep(best, kernel, shape, await loadBinding().gemmRate(shape, precision, kernel, REPEATS));
  }

  peak(model: LayerSizes, precision: ComputePrecision): GemmPeak {
    const best = this.#found.get(keyOf(model, precision)) ?? new Map<GemmKernel, Best>();
    const [first] = [...best].sort(([, a], [, b]) => b.gflops - a.gflops);
    if (!first) throw new Error(`no GEMM kernel runs in ${precision}`);
    const [kernel, { gflops, shape }] = first;
    const byKernel = Object.fromEntries(KERNELS.map((name) => [name, best.get(name)?.gflops ?? 0]));
    return { gflops, kernel, shape, byKernel: byKernel as Record<GemmKernel, number> };
  }
}

function keyOf({ hiddenSize, intermediateSize }: LayerSizes, precision: ComputePrecision): string {
  return `${hiddenSize} ${intermediateSize} ${precision}`;
}

function keep(best: Map<GemmKernel, Best>, kernel: GemmKernel, shape: GemmShape, gflops: number): void {
  if (gflops > (best.get(kernel)?.gflops ?? 0)) best.set(kernel, { gflops, shape });
}

async function search(model: LayerSizes, precision: ComputePrecision): Promise<Map<GemmKernel, Best>> {
  const best = new Map<GemmKernel, Best>();
  const end = performance.now() + SEARCH_SECONDS * 1000;
  for (const m of ROWS) {
    for (const shape of linearShapes(model).map((nk) => ({ m, ...nk }))) {
      for (const kernel of KERNELS) {
        if (performance.now() > end) return best;
        const known = best.get(kernel)?.gflops;
        const gflop = (2 * shape.m * shape.n * shape.k) / 1e9;
        if (known !== undefined && gflop / known > PRODUCT_SECONDS) continue;
        keep(best, kernel, shape, await loadBinding().gemmRate(shape, precision, kernel, 1));
      }
    }
  }
  return best;
}
