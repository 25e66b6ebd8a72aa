import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ELECTRA_BASE, writeElectraFolder, type ElectraShape } from '../demo/electra-folder.js';
import { benchVocabulary } from './vocabulary.js';

/** Shapes that people re-rank with. MiniLM is BERT, which runs through the same layers as ELECTRA. */
export const RANDOM_MODELS = {
  'electra-base': ELECTRA_BASE,
  'electra-large': shape(1024, 24, 16),
  'minilm-l6': shape(384, 6, 12),
  'minilm-l12': shape(384, 12, 12),
} as const satisfies Readonly<Record<string, ElectraShape>>;
export type RandomModelName = keyof typeof RANDOM_MODELS;

/** To ask the engine something that needs a model; heads of MiniLM's size, since a GPU's kernels may know few sizes. */
const TINY = shape(64, 1, 2);

function shape(hiddenSize: number, layers: number, heads: number): ElectraShape {
  return {
    embeddingSize: hiddenSize,
    hiddenSize,
    layers,
    heads,
    intermediateSize: 4 * hiddenSize,
    maxPositions: 512,
  };
}

/** A folder with a model of random weights, made once per checkout. Speed does not depend on the weights. */
export async function randomModel(name: RandomModelName | 'tiny'): Promise<string> {
  const { entries, madeUp } = await benchVocabulary();
  const suffix = madeUp ? '-made-up-vocabulary' : '';
  const folder = fileURLToPath(new URL(`../../build/bench/${name}${suffix}`, import.meta.url));
  if (!existsSync(join(folder, 'model.safetensors'))) {
    process.stderr.write(`bench: writing ${folder}\n`);
    await writeElectraFolder(folder, name === 'tiny' ? TINY : RANDOM_MODELS[name], entries, 42);
  }
  return folder;
}
