import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ELECTRA_BASE, writeElectraFolder } from '../demo/electra-folder.js';
import { madeUpVocabulary } from '../demo/vocabulary.js';
import { benchVocabulary } from './pairs.js';

/** A folder with ELECTRA-base of random weights, made once per checkout. Speed does not depend on the weights. */
export async function randomElectraBase(): Promise<string> {
  const vocabularyFile = benchVocabulary();
  const name = vocabularyFile === undefined ? 'electra-base-made-up-vocabulary' : 'electra-base';
  const folder = fileURLToPath(new URL(`../../build/bench/${name}`, import.meta.url));
  if (existsSync(join(folder, 'model.safetensors'))) return folder;
  const vocabulary =
    vocabularyFile === undefined
      ? madeUpVocabulary(30_522)
      : (await readFile(vocabularyFile, 'utf8')).replace(/\n$/, '').split('\n');
  await writeElectraFolder(folder, ELECTRA_BASE, vocabulary, 42);
  return folder;
}
