import type { ComputePrecision } from '../../../binding.js';
import type { Device } from '../host.js';
import type { PrecisionName } from '../models.js';

/** Ours stands among peers by what it is asked for, whatever keeps that promise here. */
export type PeerPrecision = Exclude<ComputePrecision, 'int16'>;

export function peerPrecision(asked: PrecisionName): PeerPrecision {
  if (asked === 'int8') return 'int8';
  return asked.startsWith('bf16') ? 'bfloat16' : 'float32';
}

/** What make_models.py makes; `onnx` is in the folder of `classification`. */
export type ModelPart = 'classification' | 'mono' | 'onnx';
export type Head = Exclude<ModelPart, 'onnx'>;

export interface Contender {
  name: string;
  precision: PeerPrecision;
  /** A loader of peers.py, which runs in the virtual environment, or of node-peer.ts. */
  library: string;
  runtime: 'python' | 'node';
  model: ModelPart;
  /** Batches of equal length, made by our script; false where the library gets the pairs as they come. */
  sorted: boolean;
  /** By torch.compile. */
  compiled: boolean;
  /** Sizes to choose from; undefined: it chooses by itself. */
  batches: readonly number[] | undefined;
}

export const OURS = 'rank-distillm';
const BATCHES: Readonly<Record<Device, readonly number[]>> = { cpu: [1, 8, 32, 64], cuda: [64, 256, 1024] };

type Library = Pick<Contender, 'library'> & Partial<Contender>;
const PLAIN = { runtime: 'python', model: 'classification', sorted: false, compiled: false } as const;
const TRANSFORMERS: Library = { library: 'transformers' };
const SENTENCE_TRANSFORMERS: Library = { library: 'sentence_transformers', name: 'sentence-transformers' };
const LIGHTNING_IR: Library = { library: 'lightning_ir', name: 'lightning-ir', model: 'mono' };
const ONNX: Library = { library: 'onnxruntime', model: 'onnx', sorted: true };
const SORTED: Library = { ...TRANSFORMERS, sorted: true };

function contenders(device: Device, libraries: readonly [precisions: string, Library][]): readonly Contender[] {
  const ours: Library = { library: OURS, runtime: 'node', batches: undefined };
  return [[device === 'cpu' ? 'float32 bfloat16 int8' : 'float32 bfloat16', ours] as const, ...libraries].flatMap(
    ([precisions, given]) =>
      precisions.split(' ').map((precision): Contender => {
        const name = `${given.name ?? given.library}${given.sorted ? ', sorted' : ''}${given.compiled ? ', compiled' : ''}`;
        return { ...PLAIN, batches: BATCHES[device], ...given, name, precision: precision as PeerPrecision };
      }),
  );
}

/** In the order in which each round goes through them. On a GPU only what runs at its best there. */
export const CONTENDERS: Readonly<Record<Device, readonly Contender[]>> = {
  cpu: contenders('cpu', [
    ['float32 bfloat16', TRANSFORMERS],
    ['float32 bfloat16', SORTED],
    ['float32', SENTENCE_TRANSFORMERS],
    ['float32 bfloat16', LIGHTNING_IR],
    ['float32 int8', ONNX],
    ['float32 int8', { ...ONNX, library: 'onnxruntime-node', runtime: 'node' }],
    ['float32 int8', { ...ONNX, library: '@huggingface/transformers', name: 'transformers.js', runtime: 'node' }],
  ]),
  cuda: contenders('cuda', [
    ['float32 bfloat16', SORTED],
    ['bfloat16', { ...SORTED, compiled: true }],
    ['bfloat16', SENTENCE_TRANSFORMERS],
  ]),
};

/** The folder that a contender's model lies in. */
export function headOf({ model }: Contender): Head {
  return model === 'mono' ? 'mono' : 'classification';
}

/** Peers of a device whose "name precision" holds all of the words. */
export function choosePeers(device: Device, only: readonly string[]): Contender[] {
  return CONTENDERS[device].filter(
    ({ name, precision }) => name !== OURS && only.every((word) => `${name} ${precision}`.includes(word)),
  );
}

/** Ours in every precision that a peer has, with lightning-ir's head where lightning-ir is one of them. */
export function withOurs(device: Device, peers: readonly Contender[]): Contender[] {
  const model = peers.some((peer) => peer.model === 'mono') ? 'mono' : 'classification';
  const ours = CONTENDERS[device].filter(
    ({ name, precision }) => name === OURS && peers.some((other) => other.precision === precision),
  );
  return [...ours.map((contender): Contender => ({ ...contender, model })), ...peers];
}
