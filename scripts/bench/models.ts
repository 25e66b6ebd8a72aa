import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComputePrecision } from '../../binding.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { ELECTRA_BASE, writeElectraFolder, type ElectraShape } from '../demo/electra-folder.js';
import { madeUpVocabulary } from '../demo/vocabulary.js';
import { root } from '../lib/root.mjs';
import { engineOptions, say, type Device } from './host.js';

/** Data beside the checkout. */
export const sharedRoot = process.env['RANK_DISTILLM_SHARED'] ?? join(root, '../shared');

/** Shapes that people re-rank with. MiniLM is BERT, which runs through the same layers as ELECTRA. */
export const RANDOM_MODELS = {
  'electra-base': ELECTRA_BASE,
  'electra-large': shape(1024, 24, 16),
  'minilm-l6': shape(384, 6, 12),
  'minilm-l12': shape(384, 12, 12),
} as const satisfies Readonly<Record<string, ElectraShape>>;
export type RandomModelName = keyof typeof RANDOM_MODELS;
export const MODEL_NAMES = Object.keys(RANDOM_MODELS) as RandomModelName[];

/** To ask the engine something that needs a model; heads of MiniLM's size, since a GPU's kernels may know few sizes. */
const TINY = shape(64, 1, 2);

function shape(hidden: number, layers: number, heads: number): ElectraShape {
  const sizes = { embeddingSize: hidden, hiddenSize: hidden, intermediateSize: 4 * hidden };
  return { ...sizes, layers, heads, maxPositions: 512 };
}

/** BERT's English vocabulary where it is beside the checkout, else made-up entries, as many. */
async function vocabulary(): Promise<{ entries: readonly string[]; madeUp: boolean }> {
  const path = join(sharedRoot, 'golden/tiny-monoelectra/vocab.txt');
  if (!existsSync(path)) return { entries: madeUpVocabulary(30_522), madeUp: true };
  return { entries: (await readFile(path, 'utf8')).replace(/\n$/, '').split('\n'), madeUp: false };
}

/** Entries that are whole words: a text of n of them has n tokens. */
export async function wholeWords(): Promise<readonly string[]> {
  return (await vocabulary()).entries.filter((entry) => /^[a-z]{3,}$/.test(entry));
}

/** A folder with a model of random weights, made once per checkout. Speed does not depend on the weights. */
export async function randomModel(name: RandomModelName | 'tiny'): Promise<string> {
  const { entries, madeUp } = await vocabulary();
  const folder = join(root, `build/bench/${name}${madeUp ? '-made-up-vocabulary' : ''}`);
  if (!existsSync(join(folder, 'model.safetensors'))) {
    say(`writing ${folder}`);
    await writeElectraFolder(folder, name === 'tiny' ? TINY : RANDOM_MODELS[name], entries, 42);
  }
  return folder;
}

/** tf32 is 32-true with TF32 products. */
export type PrecisionName = '32-true' | 'tf32' | 'bf16-mixed' | 'bf16-true' | 'int8';
export const PRECISIONS: Readonly<Record<Device, readonly PrecisionName[]>> = {
  cpu: ['32-true', 'bf16-mixed', 'int8'],
  cuda: ['32-true', 'tf32', 'bf16-mixed', 'bf16-true'],
};

/** A row's name for its precision: what a CPU computes it in is chosen by measurement. */
export const precisionLabel = (asked: string, computed: ComputePrecision): string =>
  computed === COMPUTED[asked] ? asked : `${asked} (${computed})`;

/** What a name says. */
const COMPUTED: Readonly<Record<string, ComputePrecision>> = {
  '32-true': 'float32',
  tf32: 'float32',
  'bf16-mixed': 'bfloat16',
  'bf16-true': 'bfloat16',
  int8: 'int8',
};

/** What a tiny model is computed in when it is asked for each precision, or why a precision is left out. */
export async function nativePrecisions(
  device: Device,
  threads: number | undefined,
): Promise<Map<PrecisionName, ComputePrecision | { leftOut: string }>> {
  const folder = await randomModel('tiny');
  const found = new Map<PrecisionName, ComputePrecision | { leftOut: string }>();
  const kinds = new Map<PrecisionName, string>();
  for (const precision of PRECISIONS[device]) {
    try {
      const options = { ...engineOptions(device, precision), threads, freshHead: true, onWarning: () => undefined };
      await using model = await CrossEncoder.load(folder, options);
      found.set(precision, model.precision);
      const { products, why } = model.arithmetic;
      say(`${precision} is computed in ${products}: ${why}`);
      if (device === 'cpu') kinds.set(precision, products);
    } catch (error) {
      found.set(precision, { leftOut: (error as Error).message });
    }
  }
  const names = [...kinds.keys()];
  for (const [i, precision] of names.entries()) {
    const same = names.slice(i + 1).find((other) => kinds.get(other) === kinds.get(precision));
    if (same !== undefined) found.set(precision, { leftOut: `it is computed as ${same} is` });
  }
  return found;
}
