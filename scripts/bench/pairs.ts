import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRun } from '../../src/data/run-file.js';
import { readDocuments, readQueries } from '../../src/data/formats/texts.js';
import type { RunEntry } from '../../src/data/records.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { Random } from '../demo/random.js';
import { groupBy } from '../lib/data.js';
import { SetupError } from '../lib/say.mjs';
import { sharedRoot, wholeWords } from './models.js';

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
/** [CLS] and two [SEP]. */
const SPECIAL_TOKENS = 3;

/** The entries of a run that are wanted, and the texts of each. */
export async function readRunPairs(
  { run, docs, queries }: { run: string; docs: string; queries: string },
  wanted: (entry: RunEntry) => boolean = () => true,
): Promise<{ entries: RunEntry[]; pairs: TextPair[] }> {
  const entries = (await readRun(run)).filter(wanted);
  const ids = new Set(entries.map(({ docId }) => docId));
  const texts = new Map<string, string>();
  for await (const { id, text } of readDocuments(docs)) if (ids.has(id)) texts.set(id, text);
  const questions = await readQueries(queries);
  const found = (text: string | undefined, what: string, file: string): string => {
    if (text !== undefined) return text;
    throw new SetupError(`${run}: ${what} is not in ${file}`, 'Give the files that the run was made with.');
  };
  const pairs = entries.map(({ queryId, docId }) => ({
    query: found(questions.get(queryId), `topic ${queryId}`, queries),
    document: found(texts.get(docId), `document ${docId}`, docs),
  }));
  return { entries, pairs };
}

/**
 * BM25's top 100 for the judged topics of TREC DL 2020, where the files are beside the checkout; else made-up texts with
 * the same distribution of lengths.
 */
export async function dl20Topics(): Promise<Topic[]> {
  const at = (name: string): string => join(sharedRoot, 'data/trec-dl-2020', name);
  const files = { run: at('runs/bm25.run'), docs: at('collection.tsv'), queries: at('queries.tsv') };
  if (!existsSync(files.run)) return madeUpTopics();
  const { entries, pairs } = await readRunPairs(files);
  const topics = groupBy(entries.keys(), (i) => entries[i]!.queryId);
  return [...topics.values()].map((of) => ({
    query: pairs[of[0]!]!.query,
    documents: of.map((i) => pairs[i]!.document),
  }));
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
  for (let pass = 1; ; pass++) yield* renamed(pairs, pass);
}

/** The texts with a number behind them, which changes the text and hardly its words. */
export function* renamed(pairs: readonly TextPair[], pass: number): Generator<TextPair> {
  for (const { query, document } of pairs) yield { query, document: `${document} ${pass}` };
}

/** Pairs of exactly this many tokens; a query has 100 documents. */
export async function pairsOfLength(tokens: number): Promise<Generator<TextPair, never>> {
  const text = textMaker(await wholeWords());
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

/** Lengths in tokens are log-normal with the parameters, and within the bounds, that those of TREC DL 2020 have. */
async function madeUpTopics(): Promise<Topic[]> {
  const random = new Random(42);
  const text = textMaker(await wholeWords());
  const length = (mean: number, deviation: number, least: number, most: number): number =>
    Math.min(most, Math.max(least, Math.round(Math.exp(mean + deviation * random.normal()))));
  return Array.from({ length: TOPICS }, () => ({
    query: text(length(1.91, 0.35, 3, 17)),
    documents: Array.from({ length: DEPTH }, () => text(length(4.37, 0.41, 14, TRUNCATION.docLength))),
  }));
}

/** Makes texts of the given number of words. */
export function textMaker(words: readonly string[]): (length: number) => string {
  const random = new Random(7);
  return (length) => Array.from({ length }, () => random.pick(words)).join(' ');
}
