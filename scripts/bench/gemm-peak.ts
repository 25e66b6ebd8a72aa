import type { Binding } from '../../binding.js';
import type { ElectraShape } from '../demo/electra-folder.js';
import type { Device } from './device.js';
import { gemmRate, type GemmPrecision } from './engine-on-gpu.js';

const KERNELS = ['own', 'onednn', 'aten'] as const;
type GemmKernel = (typeof KERNELS)[number];
/** [m, k] x [k, n] */
type GemmShape = Parameters<Binding['gemmRate']>[0];

interface Search {
  kernels: readonly GemmKernel[];
  /** Rows of a block: likely ones first, since time may end the search. */
  rows: readonly number[];
  /** Of each product in the search, and of the best one whenever it is measured. */
  tries: number;
  repeats: number;
}

const SEARCHES: Readonly<Record<Device, Search>> = {
  cpu: { kernels: KERNELS, rows: [512, 1024, 2048, 256, 4096, 8192], tries: 1, repeats: 5 },
  // several, since the first products after idleness run before the clock has risen
  cuda: { kernels: ['aten'], rows: [32_768, 65_536, 16_384, 8_192], tries: 2, repeats: 10 },
};
/** The search for the best shapes ends after this. */
const SEARCH_SECONDS = 4;
/** Products that take longer are left out: on such a machine smaller ones are as fast. */
const PRODUCT_SECONDS = 0.15;

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
type Found = Map<GemmKernel, Best>;

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
  readonly #device: Device;
  readonly #found = new Map<string, Found>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** Looks for each kernel's best shape at the first call, and measures these again at each. */
  async measure(model: LayerSizes, precision: GemmPrecision): Promise<void> {
    const { repeats } = SEARCHES[this.#device];
    const key = keyOf(model, precision);
    const best = this.#found.get(key) ?? (await search(model, precision, this.#device));
    this.#found.set(key, best);
    for (const [kernel, { shape }] of best)
      keep(best, kernel, shape, await gemmRate(shape, precision, kernel, repeats, this.#device));
  }

  /** Undefined where no kernel has that precision. */
  peak(model: LayerSizes, precision: GemmPrecision): GemmPeak | undefined {
    const best = this.#found.get(keyOf(model, precision)) ?? (new Map() as Found);
    const [first] = [...best].sort(([, a], [, b]) => b.gflops - a.gflops);
    if (!first) return undefined;
    const [kernel, { gflops, shape }] = first;
    const byKernel = Object.fromEntries(KERNELS.map((name) => [name, best.get(name)?.gflops ?? 0]));
    return { gflops, kernel, shape, byKernel: byKernel as Record<GemmKernel, number> };
  }
}

function keyOf({ hiddenSize, intermediateSize }: LayerSizes, precision: GemmPrecision): string {
  return `${hiddenSize} ${intermediateSize} ${precision}`;
}

function keep(best: Found, kernel: GemmKernel, shape: GemmShape, gflops: number): void {
  if (gflops > (best.get(kernel)?.gflops ?? 0)) best.set(kernel, { gflops, shape });
}

async function search(model: LayerSizes, precision: GemmPrecision, device: Device): Promise<Found> {
  const { kernels, rows, tries } = SEARCHES[device];
  const best: Found = new Map();
  const end = performance.now() + SEARCH_SECONDS * 1000;
  for (const m of rows) {
    for (const shape of linearShapes(model).map((nk) => ({ m, ...nk }))) {
      for (const kernel of kernels) {
        if (performance.now() > end) return best;
        const known = best.get(kernel)?.gflops;
        const gflop = (2 * shape.m * shape.n * shape.k) / 1e9;
        if (known !== undefined && gflop / known > PRODUCT_SECONDS) continue;
        keep(best, kernel, shape, await gemmRate(shape, precision, kernel, tries, device));
      }
    }
  }
  return best;
}
