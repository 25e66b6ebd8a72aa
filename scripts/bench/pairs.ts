import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDocuments, readQueries } from '../../src/data/read-texts.js';
import { readRun } from '../../src/data/read-run.js';
import type { TextPair } from '../../src/tokenize/encoded-pair.js';
import { Random } from '../demo/random.js';

const sharedRoot = process.env['RANK_DISTILLM_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));

/**
 * Pairs to measure with: every k-th pair of the BM25 run of TREC DL 2020 where that data lies beside the checkout, else
 * made-up words with about the same lengths.
 */
export async function benchPairs(count: number): Promise<TextPair[]> {
  const folder = join(sharedRoot, 'data/trec-dl-2020');
  return existsSync(folder) ? trecPairs(folder, count) : madeUpPairs(count);
}

/** Where the vocabulary that goes with the pairs lies, if it is there. */
export function benchVocabulary(): string | undefined {
  const path = join(sharedRoot, 'golden/tiny-monoelectra/vocab.txt');
  return existsSync(path) ? path : undefined;
}

async function trecPairs(folder: string, count: number): Promise<TextPair[]> {
  const queries = await readQueries(join(folder, 'queries.tsv'));
  const run = await readRun(join(folder, 'runs/bm25.run'));
  const step = Math.max(1, Math.floor(run.length / count));
  const chosen = run.filter((_, i) => i % step === 0).slice(0, count);
  const wanted = new Set(chosen.map((entry) => entry.docId));
  const texts = new Map<string, string>();
  for await (const { id, text } of readDocuments(join(folder, 'collection.tsv')))
    if (wanted.has(id)) texts.set(id, text);
  return chosen.map(({ queryId, docId }) => ({ query: queries.get(queryId)!, document: texts.get(docId)! }));
}

/** Passages of 20 to 200 words, 57 in the mean, as MS MARCO's have; queries of 3 to 9. */
function madeUpPairs(count: number): TextPair[] {
  const random = new Random(42);
  const words = (n: number): string => Array.from({ length: n }, () => `w${random.below(20_000)}`).join(' ');
  return Array.from({ length: count }, () => ({
    query: words(3 + random.below(7)),
    document: words(20 + Math.floor(-37 * Math.log(1 - random.next() * 0.99))),
  }));
}
