import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { V1_PASSAGES, writeParquetRun, writePassages, writeTrecRun } from '../../scripts/bench/scale/stand-ins.js';
import { openTrainingDataset } from '../../src/data/open-dataset.js';
import { DatasetRegistry } from '../../src/data/registry.js';
import { RunFile } from '../../src/data/run-file.js';
import { temporaryFiles } from '../support/files.js';

const test = suite('a hundredth of what the benches of scale measure');
const { folder, file } = temporaryFiles();
const PASSAGES = Math.round(V1_PASSAGES / 100);

test('samples from 800,000 rows of Parquet and a topic of 70,000 lines of TREC are those of the files, also from the cache', async () => {
  const docs = join(folder, 'collection.tsv');
  writePassages(docs, PASSAGES);
  const lines = readFileSync(docs, 'utf8').split('\n');
  const parquet = join(folder, 'train.parquet');
  await writeParquetRun(parquet, { topics: 8000, depth: 100, passages: PASSAGES });
  const deep = join(folder, 'dev.run');
  writeTrecRun(deep, { topics: 70, depth: 1000, passages: PASSAGES });
  const trec = readFileSync(deep, 'utf8').split('\n');

  for (let round = 0; round < 2; round++) {
    await using run = await RunFile.open(deep, { cacheFrom: 0 });
    assert.is(run.size, 70_000);
    const { entries } = await run.topic('69');
    const written = entries.map(({ queryId, docId, rank, score }) => `${queryId} Q0 ${docId} ${rank} ${score}`);
    assert.equal(
      written,
      trec.slice(69_000, 70_000).map((line) => line.replace(/(\.\d*?)0* bm25$/, '$1')),
    );
  }

  const queries = file('queries.tsv', Array.from({ length: 8000 }, (_, i) => `${i}\tquery ${i}\n`).join(''));
  const registry = new DatasetRegistry();
  registry.register('hundredth', { docs, queries });
  const options = {
    runPathOrId: parquet,
    dataset: 'hundredth',
    depth: 100,
    sampleSize: 8,
    samplingStrategy: 'random',
    targets: 'rank',
  } as const;
  const firsts: unknown[] = [];
  for (let round = 0; round < 2; round++) {
    const context = { registry, seed: 3, indexing: { runsFrom: 0 } };
    await using dataset = await openTrainingDataset(options, context);
    assert.is(dataset.countSamples(), 8000);
    let samples = 0;
    for await (const sample of dataset.epoch({ epoch: 0, shuffle: true })) {
      for (const [i, docId] of sample.docIds.entries()) {
        assert.is(`${docId}\t${sample.docs[i]}`, lines[Number(docId)]);
        // the stand-in's document of a rank; targets: rank is depth - rank + 1
        const rank = 101 - sample.targets[i]!;
        assert.is(Number(docId), (Number(sample.queryId) * 7919 + rank * 104_729) % PASSAGES);
      }
      if (samples === 0) firsts.push(sample);
      samples += 1;
      if (samples === 10) break;
    }
  }
  assert.equal(firsts[1], firsts[0]);
});

test.run();
