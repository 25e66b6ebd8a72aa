import type { ComputePrecision } from '../../../binding.js';

export interface Contender {
  name: string;
  precision: ComputePrecision;
  /** Beside this file; `.py` runs in the virtual environment, `.ts` in Node.js. */
  script: string;
  /** Which of make_models.py's folders it runs. */
  head: 'classification' | 'mono';
  /** Batches of equal length, made by our script; false where the library gets the pairs as they come. */
  sorted: boolean;
  /** Sizes to choose from; undefined: it chooses by itself. */
  batches: readonly number[] | undefined;
}

const BATCHES = [1, 8, 32, 64];

function peer(
  name: string,
  script: string,
  precisions: readonly ComputePrecision[],
  more: Partial<Contender> = {},
): Contender[] {
  return precisions.map((precision) => ({
    name,
    script,
    precision,
    head: 'classification',
    sorted: false,
    batches: BATCHES,
    ...more,
  }));
}

export const OURS = 'rank-distillm';

/** In the order in which each round goes through them. */
export const CONTENDERS: readonly Contender[] = [
  ...peer(OURS, 'ours-peer.ts', ['float32', 'bfloat16', 'int8'], { head: 'mono', batches: undefined }),
  ...peer('transformers', 'transformers_peer.py', ['float32', 'bfloat16']),
  ...peer('transformers, sorted', 'transformers_peer.py', ['float32', 'bfloat16'], { sorted: true }),
  ...peer('sentence-transformers', 'sentence_transformers_peer.py', ['float32']),
  ...peer('lightning-ir', 'lightning_ir_peer.py', ['float32', 'bfloat16'], { head: 'mono' }),
  ...peer('onnxruntime, sorted', 'onnxruntime_peer.py', ['float32', 'int8'], { sorted: true }),
  ...peer('onnxruntime-node, sorted', 'onnxruntime-node-peer.ts', ['float32', 'int8'], { sorted: true }),
  ...peer('transformers.js, sorted', 'transformers-js-peer.ts', ['float32', 'int8'], { sorted: true }),
];

/** Peers whose "name precision" holds all of the words, and ours in every precision that one of them has. */
export function chooseContenders(only: readonly string[]): Contender[] {
  const peers = CONTENDERS.filter(
    ({ name, precision }) => name !== OURS && only.every((word) => `${name} ${precision}`.includes(word)),
  );
  const ours = CONTENDERS.filter(
    ({ name, precision }) => name === OURS && peers.some((other) => other.precision === precision),
  );
  return [...ours, ...peers];
}
