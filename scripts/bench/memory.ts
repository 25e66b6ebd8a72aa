// Shows that re-ranking holds a bounded amount of memory however long the run is: the largest RssAnon while a run of a
// million pairs is re-ranked with a tiny model, above the state after loading.
// usage: tsx scripts/bench/memory.ts [--topics 10000] [--depth 100]
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DatasetRegistry } from '../../src/data/registry.js';
import { RunDataset } from '../../src/data/run-dataset.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { writeAtomically } from '../../src/io/atomic-write.js';
import { createProgress } from '../../src/report/progress.js';
import { rerank } from '../../src/rerank/rerank.js';
import { writeElectraFolder } from '../demo/electra-folder.js';
import { Random } from '../demo/random.js';
import { madeUpVocabulary } from '../demo/vocabulary.js';
import { anonymousMiB, watchAnonymous } from './memory-use.js';

const BOUND_MIB = 300;
const DOCUMENTS = 200_000;
const TINY = {
  embeddingSize: 32,
  hiddenSize: 64,
  layers: 3,
  heads: 4,
  intermediateSize: 128,
  maxPositions: 512,
};

async function writeLines(path: string, count: number, line: (i: number) => string): Promise<void> {
  await writeAtomically(path, async (write) => {
    for (let i = 0; i < count; i++) await write(`${line(i)}\n`);
  });
}

const { values } = parseArgs({
  options: { topics: { type: 'string', default: '10000' }, depth: { type: 'string', default: '100' } },
});
const topics = Number(values.topics);
const depth = Number(values.depth);
const folder = fileURLToPath(new URL('../../build/bench/memory', import.meta.url));
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });

const random = new Random(42);
const vocabulary = madeUpVocabulary(30_522);
const words = (n: number): string =>
  Array.from({ length: n }, () => vocabulary[1000 + random.below(20_000)]!.replace(/^##/, '')).join(' ');
await writeElectraFolder(join(folder, 'model'), TINY, vocabulary, 42);
await writeLines(join(folder, 'docs.tsv'), DOCUMENTS, (i) => `d${i}\t${words(10 + random.below(30))}`);
await writeLines(join(folder, 'queries.tsv'), topics, (i) => `q${i}\t${words(6)}`);
await writeLines(join(folder, 'first-stage.run'), topics * depth, (i) => {
  const topic = Math.floor(i / depth);
  const rank = (i % depth) + 1;
  return `q${topic} Q0 d${(topic * 7919 + rank * 104_729) % DOCUMENTS} ${rank} ${depth - rank} bm25`;
});

const model = await CrossEncoder.load(join(folder, 'model'), { onWarning: () => undefined });
globalThis.gc?.();
const loaded = anonymousMiB();
const watch = watchAnonymous();

const registry = new DatasetRegistry();
registry.register('memory', { docs: join(folder, 'docs.tsv'), queries: join(folder, 'queries.tsv') });
const run = {
  runPathOrId: join(folder, 'first-stage.run'),
  dataset: 'memory',
  depth,
  samplingStrategy: 'top' as const,
};
const dataset = await RunDataset.open({ ...run, sampleSize: depth }, registry, { folder: join(folder, 'index') });
console.log(`dataset open: ${(anonymousMiB() - loaded).toFixed(0)} MiB above the state after loading`);
const progress = createProgress({ label: 're-rank', total: topics * depth, unit: 'pairs' });
const result = await rerank({
  model,
  dataset,
  outputPath: join(folder, 'reranked.run'),
  tag: 'memory',
  onProgress: ({ pairs }) => progress.update(pairs),
});
progress.stop();
const largest = watch.stop();
await dataset.close();
await model.close();
const above = largest - loaded;
console.log(
  `${result.pairs} pairs (${(result.tokens / result.pairs).toFixed(0)} tokens each) in ${result.seconds.toFixed(0)} s; ` +
    `RssAnon ${loaded.toFixed(0)} MiB after loading, at most ${above.toFixed(0)} MiB above that (bound ${BOUND_MIB} MiB)`,
);
if (above > BOUND_MIB) process.exitCode = 1;
