import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { madeUpVocabulary } from '../demo/vocabulary.js';

/** Data beside the checkout. */
export const sharedRoot =
  process.env['RANK_DISTILLM_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));

const MADE_UP_ENTRIES = 30_522;

/** BERT's English vocabulary where it lies beside the checkout, else made-up entries, as many. */
export async function benchVocabulary(): Promise<{ entries: readonly string[]; madeUp: boolean }> {
  const path = join(sharedRoot, 'golden/tiny-monoelectra/vocab.txt');
  if (!existsSync(path)) return { entries: madeUpVocabulary(MADE_UP_ENTRIES), madeUp: true };
  return { entries: (await readFile(path, 'utf8')).replace(/\n$/, '').split('\n'), madeUp: false };
}

/** Entries that are whole words: a text of n of them has n tokens. */
export async function wholeWords(): Promise<readonly string[]> {
  return (await benchVocabulary()).entries.filter((entry) => /^[a-z]{3,}$/.test(entry));
}
