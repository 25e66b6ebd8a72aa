import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { writeElectraFolder, type ElectraShape } from './electra-folder.js';
import { buildVocabulary } from './vocabulary.js';
import { DEFAULT_WORLD, generateWorld } from './world/generate.js';

/** Small enough to re-rank the demo in seconds and to be trained on a laptop. */
export const TINY_ELECTRA: ElectraShape = {
  embeddingSize: 128,
  hiddenSize: 128,
  layers: 4,
  heads: 4,
  intermediateSize: 512,
  maxPositions: 512,
};

/** Enough for the syllables of the invented names; about 2,000 entries with the words. */
const NAME_PIECES = 800;

/** Writes a small ELECTRA encoder of random weights whose vocabulary is that of the texts. */
export async function writeTinyModel(
  folder: string,
  texts: readonly string[],
  seed: number,
  shape: ElectraShape = TINY_ELECTRA,
): Promise<void> {
  await writeElectraFolder(folder, shape, buildVocabulary(texts, NAME_PIECES), seed);
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
