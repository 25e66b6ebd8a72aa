import { RANDOM_MODELS, type RandomModelName } from './random-model.js';

/** What the suite can measure; numbers in a name are read from it, see measure-row.ts. */
export const WORKLOADS: Readonly<Record<string, string>> = {
  'dl20-bm25':
    "BM25's top 100 for TREC DL 2020, 96 tokens a pair in the mean (made up alike where the data is not there)",
  short: 'pairs of 32 tokens',
  long: 'pairs of 288 tokens',
  'query-20': 'latency of one query with 20 documents of dl20-bm25',
  'query-100': 'with 100',
  'query-1000': 'with 1000',
  'train-2x16': 'training steps of 2 queries with 16 documents each (RankNet, AdamW, dropout)',
  'train-1x100': '1 query with 100 documents',
};

export const PRECISIONS = ['32-true', 'bf16-mixed', 'int8'] as const;
export type PrecisionName = (typeof PRECISIONS)[number];

export interface Row {
  workload: string;
  model: RandomModelName;
  precision: PrecisionName;
}

/** What `npm run bench` measures when nothing else is asked for; in each precision. */
export const QUICK: readonly Pick<Row, 'workload' | 'model'>[] = [
  { workload: 'dl20-bm25', model: 'electra-base' },
  { workload: 'dl20-bm25', model: 'minilm-l6' },
  { workload: 'short', model: 'minilm-l6' },
  { workload: 'query-100', model: 'electra-base' },
  { workload: 'train-2x16', model: 'electra-base' },
];

function inEachPrecision({ workload, model }: Pick<Row, 'workload' | 'model'>): Row[] {
  const trains = workload.startsWith('train');
  return PRECISIONS.filter((precision) => !trains || precision !== 'int8').map((precision) => ({
    workload,
    model,
    precision,
  }));
}

/** Rows of one model stand together, so that its GEMM peak is measured close to them. */
function allRows(): Row[] {
  const models = Object.keys(RANDOM_MODELS) as RandomModelName[];
  return models.flatMap((model) => Object.keys(WORKLOADS).flatMap((workload) => inEachPrecision({ workload, model })));
}

/** `only`: rows whose "workload model precision" holds all of these words. */
export function chooseRows({ only, full }: { only: readonly string[]; full: boolean }): Row[] {
  const rows = only.length > 0 || full ? allRows() : QUICK.flatMap(inEachPrecision);
  return rows.filter(({ workload, model, precision }) =>
    only.every((word) => `${workload} ${model} ${precision}`.includes(word)),
  );
}
