/**
 * How fast pairs become token ids with 0, 1, 2, … worker threads, what the main thread has to do for it, how long the
 * event loop is held up, and how much memory a long run takes.
 *
 *   node --import tsx scripts/bench/tokenize.ts [--threads 0,1,2] [--model FOLDER] [--pairs 200000]
 *
 * Texts are the passages and queries of TREC DL 2020 and 2021 with the vocabulary of the golden model where both lie
 * beside the checkout, else made up from the vocabulary of the tests. The tokenizer is driven as scoring drives it.
 *
 * - `first`: nothing is known. `new texts`: words are known, texts are not. `cached`: all texts are.
 * - `main` is the CPU time of the main thread; `capacity` the tokens a second at which it would be busy all the time.
 * - `long run` asks for texts that are made again and again, and lasts for `--pairs` pairs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { readDocuments, readQueries } from '../../src/data/formats/texts.js';
import { encodeAhead } from '../../src/engine/encode-ahead.js';
import { packByLength } from '../../src/engine/pack-by-length.js';
import { createPairTokenizer, type PairTokenizer, type TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { Random } from '../demo/random.js';
import { anonymousMiB, watchAnonymous } from './memory-use.js';
import { sharedRoot } from './vocabulary.js';

const MADE_UP = 20_000;
const WORDS = 60;
const DEPTH = 100;

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '0,1,2' },
    model: { type: 'string' },
    pairs: { type: 'string', default: '200000' },
  },
});
const golden = join(sharedRoot, 'golden/tiny-monoelectra');
const folder =
  values.model ??
  (existsSync(golden) ? golden : fileURLToPath(new URL('../../test/tokenize/golden/uncased-vocab', import.meta.url)));

/** Distinct documents, and a query for each hundred of them. */
async function samplePairs(): Promise<TextPair[]> {
  const queries: string[] = [];
  const documents = new Set<string>();
  for (const year of ['2020', '2021']) {
    const data = join(sharedRoot, `data/trec-dl-${year}`);
    if (!existsSync(data)) return madeUpPairs();
    queries.push(...(await readQueries(join(data, 'queries.tsv'))).values());
    for await (const { text } of readDocuments(join(data, 'collection.tsv'))) documents.add(text);
  }
  return Array.from(documents, (document, i) => ({
    query: queries[Math.floor(i / DEPTH) % queries.length]!,
    document,
  }));
}

function madeUpPairs(): TextPair[] {
  const words = readFileSync(join(folder, 'vocab.txt'), 'utf8')
    .split('\n')
    .filter((word) => /^[a-z]{2,}$/.test(word));
  const random = new Random(20261124);
  const text = (length: number) => Array.from({ length }, () => words[random.below(words.length)]!).join(' ');
  const queries = Array.from({ length: MADE_UP / DEPTH }, () => text(6));
  return Array.from({ length: MADE_UP }, (_, i) => ({
    query: queries[Math.floor(i / DEPTH)]!,
    document: text(WORDS),
  }));
}

function openTokenizer(threads: number): Promise<PairTokenizer> {
  const encoder = {
    vocabSize: 30_522,
    maxPositions: 512,
    embeddingSize: 8,
    hiddenSize: 8,
    layers: 1,
    heads: 1,
    intermediateSize: 8,
    firstPosition: 0,
    typeVocabSize: 2,
    layerNormEps: 1e-12,
    activation: 'gelu' as const,
  };
  const pairEncoding = { kind: 'lightning-ir' as const, queryLength: 32, docLength: 256, maxLength: 512 };
  return createPairTokenizer({ folder, encoder, pairEncoding }, { threads });
}

/** Seconds that the main thread has run for; its number is that of the process. */
function mainThreadSeconds(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
}

/** The texts with a number behind them, which changes the text and hardly its words. */
function* renamed(pairs: readonly TextPair[], pass: number): Generator<TextPair> {
  for (const { query, document } of pairs) yield { query, document: `${document} ${pass}` };
}

async function measure(name: string, tokenizer: PairTokenizer, pairs: readonly TextPair[]): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const main = mainThreadSeconds();
  let tokens = 0;
  for await (const window of encodeAhead(pairs, tokenizer, undefined)) {
    tokens += packByLength(window).batch.inputIds.length;
  }
  const seconds = (performance.now() - start) / 1e3;
  const mainSeconds = mainThreadSeconds() - main;
  const { user, system } = process.cpuUsage(cpu);
  const all = (user + system) / 1e6;
  const { threads } = tokenizer;
  const perWorker = threads === 0 ? '-' : millions(tokens / Math.max(all - mainSeconds, 1e-9));
  console.log(
    [
      name.padEnd(10),
      `${threads} threads`,
      `${millions(tokens / seconds)} tokens/s`,
      `${Math.round(pairs.length / seconds)} pairs/s`,
      `main ${((100 * mainSeconds) / seconds).toFixed(0)} %`,
      `capacity ${millions(tokens / mainSeconds)} tokens/s`,
      `other threads ${perWorker} tokens/s of CPU`,
    ].join(', '),
  );
}

function millions(perSecond: number): string {
  return `${(perSecond / 1e6).toFixed(2)} M`;
}

async function longRun(pairs: readonly TextPair[], total: number, threads: number): Promise<void> {
  const tokenizer = await openTokenizer(threads);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const before = anonymousMiB();
  const memory = watchAnonymous();
  delay.enable();
  for (let pass = 0, done = 0; done < total; pass++, done += pairs.length) {
    for await (const window of encodeAhead(renamed(pairs, pass), tokenizer, undefined)) void window;
  }
  delay.disable();
  const peak = memory.stop();
  await tokenizer.close();
  const [p99, max] = [delay.percentile(99), delay.max].map((value) => (value / 1e6).toFixed(1));
  console.log(
    `long run, ${threads} threads, ${total} pairs: event loop held up ${p99} ms (99th percentile), ${max} ms at most; ` +
      `RssAnon ${before.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at its peak`,
  );
}

const pairs = await samplePairs();
const all = values.threads.split(',').map(Number);
for (const threads of all) {
  const tokenizer = await openTokenizer(threads);
  await measure('first', tokenizer, pairs);
  await measure('new texts', tokenizer, [...renamed(pairs, 1)]);
  await measure('new texts', tokenizer, [...renamed(pairs, 2)]);
  await measure('cached', tokenizer, [...renamed(pairs, 2)].slice(-MADE_UP / 2));
  await tokenizer.close();
}
for (const threads of all) await longRun(pairs, Number(values.pairs), threads);
