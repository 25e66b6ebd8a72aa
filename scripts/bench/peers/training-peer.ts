import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ComputePrecision } from '../../../binding.js';
import { loadCheckpoint } from '../../../src/models/load-checkpoint.js';
import { createPairTokenizer } from '../../../src/tokenize/pair-tokenizer.js';
import { run } from '../../lib/run.mjs';
import type { Device } from '../device.js';
import { trainingSamples } from '../measure-training.js';
import { dl20Pairs, TRUNCATION } from '../pairs.js';

export interface TrainingPeerOptions {
  python: string;
  folder: string;
  device: Device;
  queries: number;
  docs: number;
  precision: string;
  steps: number;
  threads: number;
}

/** What a peer's script prints. */
export interface TrainingPeerResult {
  pairsPerSecond: number;
  peakMemoryMiB: number;
  /** Pairs, where it chose among some. */
  microBatch?: number;
}

/** lightning-ir is what users of a CPU have beside us; on a GPU it pads whole batches, so a careful loop stands there. */
const PEERS: Readonly<Record<Device, { name: string; script: string }>> = {
  cpu: { name: 'lightning-ir', script: 'lightning_ir_train.py' },
  cuda: { name: 'transformers', script: 'transformers_train.py' },
};

export function trainingPeerName(device: Device): string {
  return PEERS[device].name;
}

/** For the precision that ours computed in: on a CPU without bf16 that is another than the one asked for. */
export function trainingPeerPrecision(computed: ComputePrecision): string {
  return computed === 'bfloat16' ? 'bf16-mixed' : '32-true';
}

/** The samples of `measureTraining`, with ready token ids for the peer that takes them. */
async function peerSamples({ folder, queries, docs }: TrainingPeerOptions) {
  const tokenizer = await createPairTokenizer(await loadCheckpoint(folder, { overrides: TRUNCATION, freshHead: true }));
  const samples = trainingSamples(await dl20Pairs(queries * docs), queries, docs);
  const encoded = await tokenizer.encodePairs(
    samples.flatMap(({ query, docs: texts }) => texts.map((document) => ({ query, document }))),
  );
  return samples.map((sample, i) => {
    const own = encoded.slice(i * docs, (i + 1) * docs);
    const inputIds = own.map((pair) => [...pair.inputIds]);
    return { ...sample, inputIds, tokenTypeIds: own.map((pair) => [...pair.tokenTypeIds]) };
  });
}

/** Trains the peer of the device on the batch that ours is trained on. */
export async function runTrainingPeer(options: TrainingPeerOptions): Promise<TrainingPeerResult> {
  const { python, folder, device, precision, steps, threads } = options;
  const work = await mkdtemp(join(tmpdir(), 'rank-distillm-bench-'));
  try {
    const file = join(work, 'samples.json');
    await writeFile(file, JSON.stringify(await peerSamples(options)));
    const script = fileURLToPath(new URL(PEERS[device].script, import.meta.url));
    const args = [script, folder, file, precision, String(steps), String(threads), device];
    const printed = await run(python, args, { what: PEERS[device].script, quiet: true });
    return JSON.parse(printed.trim().split('\n').at(-1)!) as TrainingPeerResult;
  } finally {
    await rm(work, { recursive: true });
  }
}
