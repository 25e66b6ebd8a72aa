import type { Device } from './device.js';
import { RANDOM_MODELS, type RandomModelName } from './random-model.js';

interface Workload {
  what: string;
  /** Where it ends within a sensible time; both when absent. */
  only?: Device;
}

/** What the suite can measure; numbers in a name are read from it, see measure-row.ts. */
export const WORKLOADS: Readonly<Record<string, Workload>> = {
  'dl20-bm25': {
    what: "BM25's top 100 for TREC DL 2020, 96 tokens a pair in the mean (made up alike where the data is not there)",
  },
  short: { what: 'pairs of 32 tokens' },
  long: { what: 'pairs of 288 tokens' },
  'query-20': { what: 'latency of one query with 20 documents of dl20-bm25' },
  'query-100': { what: 'with 100' },
  'query-1000': { what: 'with 1000' },
  'train-2x16': { what: 'training steps of 2 queries with 16 documents each (RankNet, AdamW, dropout)' },
  'train-1x100': { what: '1 query with 100 documents' },
  'train-32x100': { what: '32 queries with 100, on CUDA only: in parts as the token budget has it', only: 'cuda' },
};

/** tf32 is 32-true with TF32 products. */
export type PrecisionName = '32-true' | 'tf32' | 'bf16-mixed' | 'bf16-true' | 'int8';
export const PRECISIONS: Readonly<Record<Device, readonly PrecisionName[]>> = {
  cpu: ['32-true', 'bf16-mixed', 'int8'],
  cuda: ['32-true', 'tf32', 'bf16-mixed', 'bf16-true'],
};
/** Those that train: AdamW needs float32 weights. */
const TRAINED: readonly PrecisionName[] = ['32-true', 'bf16-mixed'];

export interface Row {
  workload: string;
  model: RandomModelName;
  precision: PrecisionName;
}

interface QuickRow extends Pick<Row, 'workload' | 'model'> {
  /** When absent, in each precision. */
  precision?: PrecisionName;
}

/** What `npm run bench` measures when nothing else is asked for. */
export const QUICK: Readonly<Record<Device, readonly QuickRow[]>> = {
  cpu: [
    { workload: 'dl20-bm25', model: 'electra-base' },
    { workload: 'dl20-bm25', model: 'minilm-l6' },
    { workload: 'short', model: 'minilm-l6' },
    { workload: 'query-100', model: 'electra-base' },
    { workload: 'train-2x16', model: 'electra-base' },
  ],
  cuda: [
    { workload: 'dl20-bm25', model: 'electra-base' },
    { workload: 'short', model: 'electra-base', precision: 'bf16-mixed' },
    { workload: 'long', model: 'electra-base', precision: 'bf16-mixed' },
    { workload: 'query-20', model: 'electra-base', precision: 'bf16-mixed' },
    { workload: 'query-100', model: 'electra-base', precision: 'bf16-mixed' },
    { workload: 'query-1000', model: 'electra-base', precision: 'bf16-mixed' },
    { workload: 'train-2x16', model: 'electra-base', precision: 'bf16-mixed' },
    { workload: 'train-32x100', model: 'electra-base' },
    { workload: 'dl20-bm25', model: 'minilm-l6', precision: 'bf16-mixed' },
  ],
};

function inEachPrecision({ workload, model, precision: one }: QuickRow, device: Device): Row[] {
  const trains = workload.startsWith('train');
  return PRECISIONS[device]
    .filter((precision) => (one ?? precision) === precision && (!trains || TRAINED.includes(precision)))
    .map((precision) => ({ workload, model, precision }));
}

/** Rows of one model stand together, so that its GEMM peak is measured close to them. */
function allRows(device: Device): QuickRow[] {
  const workloads = Object.keys(WORKLOADS).filter((name) => (WORKLOADS[name]!.only ?? device) === device);
  const models = Object.keys(RANDOM_MODELS) as RandomModelName[];
  return models.flatMap((model) => workloads.map((workload) => ({ workload, model })));
}

export interface RowChoice {
  /** Rows whose "workload model precision" holds all of these words. */
  only: readonly string[];
  full: boolean;
  device: Device;
}

export function chooseRows({ only, full, device }: RowChoice): Row[] {
  const rows = only.length > 0 || full ? allRows(device) : QUICK[device];
  return rows
    .flatMap((row) => inEachPrecision(row, device))
    .filter(({ workload, model, precision }) =>
      only.every((word) => `${workload} ${model} ${precision}`.includes(word)),
    );
}
