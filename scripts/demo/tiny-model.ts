import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { writeElectraFolder, type ElectraShape, type ElectraStart } from './electra-folder.js';
import { buildVocabulary } from './vocabulary.js';
import { DEFAULT_WORLD, generateWorld } from './world/generate.js';

/** Small enough to be trained in minutes on two cores. */
export const TINY_ELECTRA: ElectraShape = {
  embeddingSize: 128,
  hiddenSize: 128,
  layers: 2,
  heads: 2,
  intermediateSize: 512,
  maxPositions: 512,
};

/**
 * A start that spares the model what it would learn first from millions of pairs. In the first layer keys start as copies
 * of queries, with matrices large enough for attention to tell tokens apart (deviation 1 over the root of the width), so
 * a token attends to where it occurs again: that the name of the question stands in the passage shows from the first
 * step on. Small embeddings of positions and segments keep equal words alike wherever they stand. What the words of a
 * question have to do with those of its answers is left to training. The run is too short for dropout.
 */
export const TINY_START: ElectraStart = {
  layerRange: 1 / Math.sqrt(TINY_ELECTRA.hiddenSize),
  wordRange: 0.02,
  positionRange: 0.004,
  segmentRange: 0.006,
  equalKeys: 1,
  dropout: 0,
};

/** Enough for the syllables of the invented names; about 2,000 entries with the words. */
const NAME_PIECES = 800;

/** Writes a small ELECTRA encoder, not trained, whose vocabulary is that of the texts. */
export async function writeTinyModel(folder: string, texts: readonly string[], seed: number): Promise<void> {
  await writeElectraFolder(folder, TINY_ELECTRA, buildVocabulary(texts, NAME_PIECES), seed, TINY_START);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string', default: '42' } },
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error('usage: tsx scripts/demo/tiny-model.ts <folder> [--seed 42]');
  const seed = Number(values.seed);
  const { passages } = generateWorld({ ...DEFAULT_WORLD, seed });
  await writeTinyModel(
    folder,
    passages.map(({ text }) => text),
    seed,
  );
}
