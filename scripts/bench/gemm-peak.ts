import type { GemmShape } from '../../binding.js';
import type { ElectraShape } from '../demo/electra-folder.js';
import { gemmRate, type Device, type GemmKernel, type GemmPrecision } from './host.js';

const KERNELS = ['own', 'onednn', 'aten'] as const;

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

type Best = Map<GemmKernel, Pick<GemmPeak, 'gflops' | 'shape'>>;
/** What the matrices of a layer follow from. */
type LayerSizes = Pick<ElectraShape, 'hiddenSize' | 'intermediateSize'>;

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
  readonly #found = new Map<string, Best>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** Looks for each kernel's best shape at the first call, and measures these again at each. */
  async measure(model: LayerSizes, precision: GemmPrecision): Promise<void> {
    const key = keyOf(model, precision);
    const best = this.#found.get(key) ?? (await this.#search(model, precision));
    this.#found.set(key, best);
    const { repeats } = SEARCHES[this.#device];
    for (const [kernel, { shape }] of best) await this.#try(best, precision, kernel, shape, repeats);
  }

  /** Undefined where no kernel has that precision. */
  peak(model: LayerSizes, precision: GemmPrecision): GemmPeak | undefined {
    const best: Best = this.#found.get(keyOf(model, precision)) ?? (new Map() as Best);
    const [first] = [...best].sort(([, a], [, b]) => b.gflops - a.gflops);
    if (!first) return undefined;
    const byKernel = Object.fromEntries(KERNELS.map((name) => [name, best.get(name)?.gflops ?? 0]));
    return { kernel: first[0], ...first[1], byKernel: byKernel as Record<GemmKernel, number> };
  }

  async #try(best: Best, precision: GemmPrecision, kernel: GemmKernel, shape: GemmShape, repeats: number) {
    const gflops = await gemmRate(shape, precision, kernel, repeats, this.#device);
    if (gflops > (best.get(kernel)?.gflops ?? 0)) best.set(kernel, { gflops, shape });
  }

  async #search(model: LayerSizes, precision: GemmPrecision): Promise<Best> {
    const { kernels, rows, tries } = SEARCHES[this.#device];
    const best: Best = new Map();
    const end = performance.now() + SEARCH_SECONDS * 1000;
    for (const m of rows) {
      for (const shape of linearShapes(model).map((nk) => ({ m, ...nk }))) {
        for (const kernel of kernels) {
          if (performance.now() > end) return best;
          const known = best.get(kernel)?.gflops ?? Infinity;
          const gflop = (2 * shape.m * shape.n * shape.k) / 1e9;
          if (gflop / known <= PRODUCT_SECONDS) await this.#try(best, precision, kernel, shape, tries);
        }
      }
    }
    return best;
  }
}

function keyOf({ hiddenSize, intermediateSize }: LayerSizes, precision: GemmPrecision): string {
  return `${hiddenSize} ${intermediateSize} ${precision}`;
}
