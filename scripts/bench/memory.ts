import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatasetRegistry } from '../../src/data/registry.js';
import { RunDataset } from '../../src/data/run-dataset.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { createProgress } from '../../src/report/progress.js';
import { rerank } from '../../src/rerank/rerank.js';
import { writeElectraFolder } from '../demo/electra-folder.js';
import { Random } from '../demo/random.js';
import { madeUpVocabulary } from '../demo/vocabulary.js';
import { numberOf, runScript } from '../lib/command.js';
import { writeLines } from '../lib/data.js';
import { root } from '../lib/root.mjs';
import { statusMiB, watchAnonymous } from './host.js';
import { textMaker } from './pairs.js';

const BOUND_MIB = 300;
const DOCUMENTS = 200_000;
const TINY = { embeddingSize: 32, hiddenSize: 64, layers: 3, heads: 4, intermediateSize: 128, maxPositions: 512 };
const USAGE = `usage: npm run bench -- memory [--topics 10000] [--depth 100]

Shows that re-ranking holds a bounded amount of memory however long the run is: the largest RssAnon while a made-up run is
re-ranked with a tiny model, above the state after loading. Fails above ${BOUND_MIB} MiB.`;

function* lines(count: number, line: (i: number) => string): Generator<string> {
  for (let i = 0; i < count; i++) yield line(i);
}

async function main(topics: number, depth: number): Promise<void> {
  const folder = join(root, 'build/bench/memory');
  const at = (name: string): string => join(folder, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const random = new Random(42);
  const vocabulary = madeUpVocabulary(30_522);
  const words = textMaker(vocabulary.slice(1000, 21_000).map((entry) => entry.replace(/^##/, '')));
  await writeElectraFolder(at('model'), TINY, vocabulary, 42);
  await writeLines(
    at('docs.tsv'),
    lines(DOCUMENTS, (i) => `d${i}\t${words(10 + random.below(30))}`),
  );
  await writeLines(
    at('queries.tsv'),
    lines(topics, (i) => `q${i}\t${words(6)}`),
  );
  const runLine = (i: number): string => {
    const topic = Math.floor(i / depth);
    const rank = (i % depth) + 1;
    return `q${topic} Q0 d${(topic * 7919 + rank * 104_729) % DOCUMENTS} ${rank} ${depth - rank} bm25`;
  };
  await writeLines(at('first-stage.run'), lines(topics * depth, runLine));

  await using model = await CrossEncoder.load(at('model'), { freshHead: true, onWarning: () => undefined });
  globalThis.gc?.();
  const loaded = statusMiB('RssAnon');
  const watch = watchAnonymous();
  const registry = new DatasetRegistry();
  registry.register('memory', { docs: at('docs.tsv'), queries: at('queries.tsv') });
  const run = { runPathOrId: at('first-stage.run'), dataset: 'memory', depth, samplingStrategy: 'top' as const };
  const dataset = await RunDataset.open({ ...run, sampleSize: depth }, registry, { folder: at('index') });
  console.log(`dataset open: ${(statusMiB('RssAnon') - loaded).toFixed(0)} MiB above the state after loading`);
  const progress = createProgress({ label: 're-rank', total: topics * depth, unit: 'pairs' });
  const onProgress = ({ pairs }: { pairs: number }): void => progress.update(pairs);
  const result = await rerank({ model, dataset, outputPath: at('reranked.run'), tag: 'memory', onProgress });
  progress.stop();
  await dataset.close();
  const above = watch.stop() - loaded;
  console.log(
    `${result.pairs} pairs (${(result.tokens / result.pairs).toFixed(0)} tokens each) in ${result.seconds.toFixed(0)} s; ` +
      `RssAnon ${loaded.toFixed(0)} MiB after loading, at most ${above.toFixed(0)} MiB above that (bound ${BOUND_MIB} MiB)`,
  );
  if (above > BOUND_MIB) process.exitCode = 1;
}

const option = { type: 'string' } as const;

export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    { topics: option, depth: option },
    ({ topics, depth }) =>
      main(
        numberOf('topics', topics, 'a whole number above 0') ?? 10_000,
        numberOf('depth', depth, 'a whole number above 0') ?? 100,
      ),
    args,
  );
