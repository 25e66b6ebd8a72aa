import type { ComputePrecision } from '../../../binding.js';
import type { Device } from '../device.js';

/** Ours in int16 stands among int8: it is what we compute where no instruction multiplies bytes. */
export type PeerPrecision = Exclude<ComputePrecision, 'int16'>;

export const peerPrecision = (computed: ComputePrecision): PeerPrecision => (computed === 'int16' ? 'int8' : computed);

/** What make_models.py makes: `onnx` lies in the folder of `classification`. */
export type ModelPart = 'classification' | 'mono' | 'onnx';
export type Head = Exclude<ModelPart, 'onnx'>;

export interface Contender {
  name: string;
  precision: PeerPrecision;
  /** Beside this file; `.py` runs in the virtual environment, `.ts` in Node.js. */
  script: string;
  /** What it is a package of, Python's by the name that is imported; ours has none. */
  library?: { python: string } | { npm: string };
  model: ModelPart;
  /** Batches of equal length, made by our script; false where the library gets the pairs as they come. */
  sorted: boolean;
  /** By torch.compile. */
  compiled: boolean;
  /** Sizes to choose from; undefined: it chooses by itself. */
  batches: readonly number[] | undefined;
}

type Peer = Pick<Contender, 'name' | 'script'> & Partial<Contender>;

export const OURS = 'rank-distillm';
const OUR_SCRIPT: Peer = { name: OURS, script: 'ours-peer.ts' };
const TRANSFORMERS = { script: 'transformers_peer.py', library: { python: 'transformers' } };
const SENTENCE_TRANSFORMERS: Peer = {
  name: 'sentence-transformers',
  script: 'sentence_transformers_peer.py',
  library: { python: 'sentence_transformers' },
};

function inPrecisions(
  precisions: readonly PeerPrecision[],
  peer: Peer,
  batches?: Contender['batches'],
): readonly Contender[] {
  const model = 'classification';
  return precisions.map((precision) => ({ model, sorted: false, compiled: false, batches, ...peer, precision }));
}

function onCpu(precisions: readonly PeerPrecision[], peer: Peer): readonly Contender[] {
  return inPrecisions(precisions, peer, [1, 8, 32, 64]);
}

function onCuda(precisions: readonly PeerPrecision[], peer: Peer): readonly Contender[] {
  return inPrecisions(precisions, peer, [64, 256, 1024]);
}

/** In the order in which each round goes through them. On a GPU only what runs at its best there. */
export const CONTENDERS: Readonly<Record<Device, readonly Contender[]>> = {
  cpu: [
    ...inPrecisions(['float32', 'bfloat16', 'int8'], OUR_SCRIPT),
    ...onCpu(['float32', 'bfloat16'], { name: 'transformers', ...TRANSFORMERS }),
    ...onCpu(['float32', 'bfloat16'], { name: 'transformers, sorted', ...TRANSFORMERS, sorted: true }),
    ...onCpu(['float32'], SENTENCE_TRANSFORMERS),
    ...onCpu(['float32', 'bfloat16'], {
      name: 'lightning-ir',
      script: 'lightning_ir_peer.py',
      library: { python: 'lightning_ir' },
      model: 'mono',
    }),
    ...onCpu(['float32', 'int8'], {
      name: 'onnxruntime, sorted',
      script: 'onnxruntime_peer.py',
      library: { python: 'onnxruntime' },
      model: 'onnx',
      sorted: true,
    }),
    ...onCpu(['float32', 'int8'], {
      name: 'onnxruntime-node, sorted',
      script: 'onnxruntime-node-peer.ts',
      library: { npm: 'onnxruntime-node' },
      model: 'onnx',
      sorted: true,
    }),
    ...onCpu(['float32', 'int8'], {
      name: 'transformers.js, sorted',
      script: 'transformers-js-peer.ts',
      library: { npm: '@huggingface/transformers' },
      model: 'onnx',
      sorted: true,
    }),
  ],
  cuda: [
    ...inPrecisions(['float32', 'bfloat16'], OUR_SCRIPT),
    ...onCuda(['float32', 'bfloat16'], { name: 'transformers, sorted', ...TRANSFORMERS, sorted: true }),
    ...onCuda(['bfloat16'], { name: 'transformers, sorted, compiled', ...TRANSFORMERS, sorted: true, compiled: true }),
    ...onCuda(['bfloat16'], SENTENCE_TRANSFORMERS),
  ],
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
