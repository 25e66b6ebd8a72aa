import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocuments, readQueries } from '../../src/data/formats/texts.js';
import { encodeAhead } from '../../src/engine/encode-ahead.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { packByLength } from '../../src/engine/pack-by-length.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { createPairTokenizer, type PairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { numberOf, runScript } from '../lib/command.js';
import { randomModel, sharedRoot, wholeWords } from './models.js';
import { renamed, textMaker, TRUNCATION } from './pairs.js';

const USAGE = `usage: npm run bench -- tokenize [--threads 0,1,2] [--model FOLDER]

How fast pairs become token ids with so many worker threads, and what the main thread has to do for it. Texts are those of TREC DL 2020 and 2021 where both are
beside the checkout, else made up; the tokenizer is driven as scoring drives it.

first       nothing is known; new texts: words are known, texts are not; cached: all texts are
main        the main thread's CPU time; capacity: the tokens a second at which it would be busy all the time`;

const MADE_UP = 20_000;
const WORDS = 60;
const DEPTH = 100;

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

async function madeUpPairs(): Promise<TextPair[]> {
  const text = textMaker(await wholeWords());
  const queries = Array.from({ length: MADE_UP / DEPTH }, () => text(6));
  return Array.from({ length: MADE_UP }, (_, i) => ({
    query: queries[Math.floor(i / DEPTH)]!,
    document: text(WORDS),
  }));
}

/** Seconds that the main thread has run for; its number is that of the process. */
function mainThreadSeconds(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
}

const millions = (perSecond: number): string => `${(perSecond / 1e6).toFixed(2)} M`;

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
  const others = Math.max((user + system) / 1e6 - mainSeconds, 1e-9);
  const { threads } = tokenizer;
  console.log(
    [
      name.padEnd(10),
      `${threads} threads`,
      `${millions(tokens / seconds)} tokens/s`,
      `${Math.round(pairs.length / seconds)} pairs/s`,
      `main ${((100 * mainSeconds) / seconds).toFixed(0)} %`,
      `capacity ${millions(tokens / mainSeconds)} tokens/s`,
      `other threads ${threads === 0 ? '-' : millions(tokens / others)} tokens/s of CPU`,
    ].join(', '),
  );
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { threads: { ...option, default: '0,1,2' }, model: option },
    async (values) => {
      const counts = values.threads.split(',').map((text) => numberOf('threads', text, 'a number of at least 0'));
      const model = await loadCheckpoint(values.model ?? (await randomModel('tiny')), { overrides: TRUNCATION });
      const pairs = await samplePairs();
      for (const threads of counts) {
        const tokenizer = await createPairTokenizer(model, { threads });
        await measure('first', tokenizer, pairs);
        await measure('new texts', tokenizer, [...renamed(pairs, 1)]);
        await measure('new texts', tokenizer, [...renamed(pairs, 2)]);
        await measure('cached', tokenizer, [...renamed(pairs, 2)].slice(-MADE_UP / 2));
        await tokenizer.close();
      }
    },
    args,
  );
