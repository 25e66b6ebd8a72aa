import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { Random } from '../demo/random.js';
import { groupBy } from '../demo/world/group-by.js';
import { readRunPairs } from './run-pairs.js';
import { sharedRoot, wholeWords } from './vocabulary.js';

export interface Topic {
  query: string;
  documents: string[];
}

/** Truncation of both sides, as Rank-DistiLLM's models are used. */
export const TRUNCATION = { queryLength: 32, docLength: 256 };
const TOPICS = 54;
const DEPTH = 100;
/** Different ones, that is; `endless` makes more of them. */
export const DL20_PAIRS = TOPICS * DEPTH;
/** `[CLS]` query `[SEP]` document `[SEP]` */
const SPECIAL_TOKENS = 3;

/**
 * The BM25 run of TREC DL 2020, 54 topics with 100 documents, where that data lies beside the checkout; else made-up
 * texts with the same distribution of lengths.
 */
export async function dl20Topics(): Promise<Topic[]> {
  const folder = join(sharedRoot, 'data/trec-dl-2020');
  return existsSync(folder) ? trecTopics(folder) : madeUpTopics();
}

/** Every k-th pair of those topics, so that few pairs have the lengths of all. */
export async function dl20Pairs(count: number): Promise<TextPair[]> {
  const topics = await dl20Topics();
  const all = topics.flatMap(({ query, documents }) => documents.map((document) => ({ query, document })));
  const step = Math.max(1, all.length / count);
  return Array.from({ length: Math.min(count, all.length) }, (_, i) => all[Math.floor(i * step)]!);
}

/** The pairs over and over; every pass has new texts, so that tokenization is measured too and not its cache. */
export function* endless(pairs: readonly TextPair[]): Generator<TextPair, never> {
  yield* pairs;
  for (let pass = 1; ; pass++) {
    for (const { query, document } of pairs) yield { query, document: `${document} ${pass}` };
  }
}

/** Pairs of exactly this many tokens; a query has 100 documents. */
export async function pairsOfLength(tokens: number): Promise<Generator<TextPair, never>> {
  const text = await textMaker();
  const queryTokens = Math.min(TRUNCATION.queryLength - SPECIAL_TOKENS, Math.floor(tokens / 4));
  const documentTokens = tokens - SPECIAL_TOKENS - queryTokens;
  if (documentTokens > TRUNCATION.docLength) throw new RangeError(`no pair has ${tokens} tokens`);
  return (function* () {
    for (;;) {
      const query = text(queryTokens);
      for (let i = 0; i < DEPTH; i++) yield { query, document: text(documentTokens) };
    }
  })();
}

async function trecTopics(folder: string): Promise<Topic[]> {
  const at = (name: string): string => join(folder, name);
  const { entries, pairs } = await readRunPairs({
    run: at('runs/bm25.run'),
    docs: at('collection.tsv'),
    queries: at('queries.tsv'),
  });
  const topics = groupBy(entries.keys(), (i) => entries[i]!.queryId);
  return [...topics.values()].map((of) => ({
    query: pairs[of[0]!]!.query,
    documents: of.map((i) => pairs[i]!.document),
  }));
}

/** Lengths in tokens are log-normal with the parameters, and within the bounds, that those of TREC DL 2020 have. */
async function madeUpTopics(): Promise<Topic[]> {
  const random = new Random(42);
  const text = await textMaker();
  const length = (mean: number, deviation: number, least: number, most: number): number => {
    const part = new Float32Array(1);
    random.fillNormal(part, deviation);
    return Math.min(most, Math.max(least, Math.round(Math.exp(mean + part[0]!))));
  };
  return Array.from({ length: TOPICS }, () => ({
    query: text(length(1.91, 0.35, 3, 17)),
    documents: Array.from({ length: DEPTH }, () => text(length(4.37, 0.41, 14, TRUNCATION.docLength))),
  }));
}

/** Makes texts of the given number of tokens. */
async function textMaker(): Promise<(tokens: number) => string> {
  const words = await wholeWords();
  const random = new Random(7);
  return (tokens) => Array.from({ length: tokens }, () => words[random.below(words.length)]).join(' ');
}
