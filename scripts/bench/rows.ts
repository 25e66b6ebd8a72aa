import type { ComputePrecision } from '../../binding.js';
import { DEVICES, OPTIONS_USAGE, type Device } from './host.js';
import { MODEL_NAMES, PRECISIONS, type PrecisionName, type RandomModelName } from './models.js';

/** What the suite can measure; numbers in a name are read from it, see row.ts. `cuda`: too slow on a CPU. */
const WORKLOADS: Readonly<Record<string, { what: string; only?: Device }>> = {
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
/** Those that train: AdamW needs float32 weights. */
const TRAINED: readonly PrecisionName[] = ['32-true', 'bf16-mixed'];

export interface Row {
  workload: string;
  model: RandomModelName;
  precision: PrecisionName;
}

/** What the project aims at, as shares of the GEMM peak in float32, in 16 bits and in bytes. */
type Goals = readonly [float32: number, bits16: number, bytes: number];
const GOALS = {
  large: [0.9, 0.85, 0.75],
  small: [0.8, 0.75, 0.6],
  smallest: [0.7, 0.65, 0.55],
} as const satisfies Record<string, Goals>;
const TRAINING_GOAL = 0.85;
/** On AMX's tiles, which are harder to feed. */
const TILES_GOAL = 0.8;

/** Undefined where there is none. */
export function goalOf({ workload, model }: Row, computed: ComputePrecision, kernels: string): number | undefined {
  if (workload.startsWith('train'))
    return computed === 'float32' && model === 'electra-base' ? TRAINING_GOAL : undefined;
  if (workload !== 'dl20-bm25' && workload !== 'short') return undefined;
  const isLarge = model.startsWith('electra') && workload !== 'short';
  const goals: Goals = GOALS[model === 'minilm-l6' ? 'smallest' : isLarge ? 'large' : 'small'];
  if (computed === 'bfloat16' && kernels === 'amx' && isLarge) return TILES_GOAL;
  return goals[computed === 'float32' ? 0 : computed === 'int8' ? 2 : 1];
}

/** The rows that goals are shown by. */
const GOAL_ROWS = [
  'dl20-bm25 electra-base',
  'short electra-base',
  'dl20-bm25 minilm-l12',
  'dl20-bm25 minilm-l6',
  'train-2x16 electra-base',
];

/** What is measured when nothing else is asked for: workload, model and, unless in each, precision. */
const QUICK: Readonly<Record<Device, readonly string[]>> = {
  cpu: [
    'dl20-bm25 electra-base',
    'dl20-bm25 minilm-l6',
    'short minilm-l6',
    'query-100 electra-base',
    'train-2x16 electra-base',
  ],
  cuda: [
    'dl20-bm25 electra-base',
    ...['short', 'long', 'query-20', 'query-100', 'query-1000', 'train-2x16'].map(
      (name) => `${name} electra-base bf16-mixed`,
    ),
    'train-32x100 electra-base',
    'dl20-bm25 minilm-l6 bf16-mixed',
  ],
};

/** All rows of a device; those of one model stand together, so that its GEMM peak is measured close to them. */
function allRows(device: Device): Row[] {
  const workloads = Object.keys(WORKLOADS).filter((name) => (WORKLOADS[name]!.only ?? device) === device);
  return MODEL_NAMES.flatMap((model) =>
    workloads.flatMap((workload) =>
      PRECISIONS[device]
        .filter((precision) => !workload.startsWith('train') || TRAINED.includes(precision))
        .map((precision) => ({ workload, model, precision })),
    ),
  );
}

/** Rows whose "workload model precision" holds all of the words; of all rows, or of a set. */
export function chooseRows(device: Device, only: readonly string[], set: 'full' | 'goals' | 'quick'): Row[] {
  const rows = allRows(device);
  const nameOf = ({ workload, model, precision }: Row): string => `${workload} ${model} ${precision}`;
  if (only.length > 0) return rows.filter((row) => only.every((word) => nameOf(row).includes(word)));
  if (set === 'full') return rows;
  const names = set === 'goals' ? GOAL_ROWS : QUICK[device];
  return names.flatMap((name) => rows.filter((row) => `${nameOf(row)} `.startsWith(`${name} `)));
}

const perDevice = (show: (device: Device) => readonly string[]): string =>
  DEVICES.map((device) => `${device}: ${show(device).join(', ')}`).join('\n            ');

export const USAGE = `usage: npm run bench -- [options]

Speed of the engine beside the matrix rate (GEMM) that the same machine reaches in the same run. Each row runs in its own
process, with random weights (speed does not depend on them; the folders are made once, under build/bench).

${OPTIONS_USAGE}
  --only WORDS     the rows, of all, that have each of these words in "workload model precision"
  --goals          the rows that the project's goals are about; docs/performance.md has them
  --full           all rows; without --only, --goals and --full a quick set, within five minutes on two slow cores
  --seconds N      time to measure a row for, default 10, on cuda 5; a row takes as many pairs as fit, by a short probe
                   (on cuda: as many as it gets through), and at least one request or training step
  --threads N      default: as many as the engine takes by itself

workloads   ${Object.entries(WORKLOADS)
  .map(([name, { what }]) => `${name.padEnd(12)} ${what}`)
  .join('\n            ')}
models      ${MODEL_NAMES.join(', ')}
precisions  ${perDevice((device) => PRECISIONS[device])}
            one that this machine cannot run natively is left out, with a message
quick set   ${perDevice((device) => QUICK[device])}
            in each precision where none is named

GFLOP/s     multiplications and additions of the linear layers that were really executed, a second; in training three
            times the forward's; TFLOP/s on cuda
GEMM peak   the best that our kernel, oneDNN with packed weights and at::linear reach on the model's matrices; measured
            before and after a row, the run's best counts
of peak     the one over the other
by CPU time the same where only the process's own CPU time counts: what a busy machine gives to others does not
goal        what the project aims at there
engine busy share of the time in which the engine computed and did not wait for tokens
x dl20      the median latency over the time that as many pairs of dl20-bm25 take at full throughput

Other benches, each with --help:
  npm run bench -- peers       other libraries on the same pairs, in turn with ours
  npm run bench -- ranking     what each precision costs in nDCG@10
  npm run bench -- exact       what the exact top K costs, and whether it is one
  npm run bench -- arithmetic  what each precision is computed in here and with features of the CPU taken away
  npm run bench -- train       training with sizes of your choice, and a peer beside it
  npm run bench -- tokenize    how fast pairs become token ids
  npm run bench -- memory      the bound on memory while a million pairs are re-ranked
  npm run bench -- event-loop  the event loop's delay while the engine scores`;
