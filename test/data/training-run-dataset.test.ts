import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatasetRegistry } from '../../src/data/registry.js';
import { openTrainingDataset } from '../../src/data/open-dataset.js';
import { RunDataset } from '../../src/data/run-dataset.js';
import type { RunDatasetOptions } from '../../src/data/run-options.js';
import { openTrainingRunDataset } from '../../src/data/training-run-dataset.js';
import { sharedPath } from '../support/shared.js';
import {
  collect,
  golden,
  gradesRun,
  inTraining,
  readTraining,
  type ReferenceSample,
  trainingReference,
  trainingRegistry,
} from '../support/data.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';
import type { TrainingSample } from '../../src/data/training-dataset.js';

const test = suite('RunDataset for training');
const { file } = temporaryFiles();
const reference = trainingReference();

/** All but targets equal, targets to float32; where lightning-ir has NaN (all equal), ours are 0. */
function same(found: readonly TrainingSample[], expected: readonly ReferenceSample[]): void {
  const withoutTargets = ({ queryId, query, docIds, docs }: ReferenceSample | TrainingSample) => {
    return { queryId, query, docIds, docs };
  };
  assert.equal(found.map(withoutTargets), expected.map(withoutTargets));
  for (const [i, { targets, queryId }] of found.entries()) {
    assert.is(targets.length, expected[i]!.targets.length);
    for (const [j, target] of expected[i]!.targets.entries()) {
      const ours = targets[j]!;
      assert.ok(Math.abs(ours - (target ?? 0)) <= 1e-6 * Math.abs(target ?? 0), `${queryId}: ${ours}, not ${target}`);
    }
  }
}

assert.is(reference.cases.length, 112);
assert.ok(reference.cases.some(({ samples }) => samples.some(({ targets }) => targets.includes(null))));
test('samples and targets as lightning-ir: 112 combinations of options', async () => {
  let unequal = 0;
  for (const { dataset: name, options, samples } of reference.cases) {
    const chosen = {
      runPathOrId: inTraining(`__made__training-${name}.run`),
      depth: options.depth,
      sampleSize: options.sample_size,
      targets: options.targets,
      normalizeTargets: options.normalize_targets,
      addDocsNotInRanking: options.add_docs_not_in_ranking,
    };
    if (new Set(samples.map(({ docIds }) => docIds.length)).size > 1) {
      // lightning-ir fails when it stacks a batch of these
      await refuses(() => readTraining(chosen), 'bad_input', "topic 't10' has 4 documents, but topic 't1' has 3");
      unequal += 1;
      continue;
    }
    const { samples: found, dataset } = await readTraining(chosen);
    try {
      same(found, samples);
      assert.is(dataset.countSamples(), samples.length);
      assert.is(dataset.sampleSize, samples[0]!.docIds.length);
    } catch (error) {
      throw new Error(`${name} ${JSON.stringify(options)}`, { cause: error });
    }
  }
  assert.is(unequal, 12);
});

test('inference gives the same targets', async () => {
  let compared = 0;
  for (const { dataset: name, options, samples } of reference.cases) {
    if (options.add_docs_not_in_ranking) continue;
    await using dataset = await RunDataset.open(
      {
        runPathOrId: inTraining(`__made__training-${name}.run`),
        depth: options.depth,
        sampleSize: options.sample_size,
        targets: options.targets,
        normalizeTargets: options.normalize_targets,
      },
      trainingRegistry(),
    );
    same((await collect(dataset.samples())) as TrainingSample[], samples);
    compared += 1;
  }
  assert.is(compared, 72);
});

const random: RunDatasetOptions = {
  runPathOrId: gradesRun,
  targets: 'relevance',
  samplingStrategy: 'log_random',
  sampleSize: 3,
  addDocsNotInRanking: true,
};

test('an epoch is the same every time and from every start', async () => {
  const context = { registry: trainingRegistry(), seed: 3 };
  await using dataset = await openTrainingRunDataset(random, context);
  await using other = await openTrainingRunDataset(random, context);
  for (const shuffle of [true, false]) {
    const whole = await collect(dataset.epoch({ epoch: 4, shuffle }));
    assert.is(whole.length, 3);
    for (let from = 0; from <= 3; from++) {
      assert.equal(await collect(other.epoch({ epoch: 4, shuffle, from })), whole.slice(from));
    }
  }
  // two epochs read in turns do not disturb one another
  const expected = [
    await collect(dataset.epoch({ epoch: 0, shuffle: true })),
    await collect(dataset.epoch({ epoch: 1, shuffle: true })),
  ];
  const first = other.epoch({ epoch: 1, shuffle: true })[Symbol.asyncIterator]();
  const second = other.epoch({ epoch: 0, shuffle: true })[Symbol.asyncIterator]();
  for (let i = 0; i < 3; i++) {
    assert.equal((await first.next()).value, expected[1]![i]);
    assert.equal((await second.next()).value, expected[0]![i]);
  }
});

test('what a topic gives does not depend on the order of topics, nor on other topics', async () => {
  const context = { registry: trainingRegistry(), seed: 8 };
  await using dataset = await openTrainingRunDataset(random, context);
  const alone = file('alone.run', 't2 0 d9 1 5 x\nt2 0 d2 2 4 x\nt2 0 d7 3 3 x\nt2 0 d8 4 2 x\nt2 0 d11 5 1 x\n');
  await using single = await openTrainingRunDataset(
    { ...random, runPathOrId: alone, dataset: 'training/grades' },
    context,
  );
  for (let epoch = 0; epoch < 5; epoch++) {
    const shuffled = await collect(dataset.epoch({ epoch, shuffle: true }));
    const ordered = await collect(dataset.epoch({ epoch, shuffle: false }));
    assert.equal(
      ordered.map((sample) => sample.queryId),
      ['t1', 't10', 't2'],
    );
    for (const sample of ordered) {
      assert.equal(
        shuffled.find(({ queryId }) => queryId === sample.queryId),
        sample,
      );
    }
    assert.equal(await collect(single.epoch({ epoch, shuffle: false })), [ordered[2]]);
  }
});

test('seed and epoch change samples and order; every order of topics turns up', async () => {
  const orders = new Set<string>();
  const samples = new Set<string>();
  for (const seed of [1, 2]) {
    await using dataset = await openTrainingRunDataset(random, { registry: trainingRegistry(), seed });
    const perSeed = new Set<string>();
    for (let epoch = 0; epoch < 40; epoch++) {
      const read = await collect(dataset.epoch({ epoch, shuffle: true }));
      perSeed.add(read.map(({ queryId }) => queryId).join());
      samples.add(`${seed} ${JSON.stringify(read.find(({ queryId }) => queryId === 't1')!.docIds)}`);
    }
    assert.is(perSeed.size, 6);
    orders.add((await collect(dataset.epoch({ epoch: 0, shuffle: true }))).map((s) => JSON.stringify(s.docIds)).join());
  }
  assert.is(orders.size, 2);
  assert.ok(samples.size > 50, `${samples.size}`);
});

test('leaving an epoch early, then closing', async () => {
  const dataset = await openTrainingDataset(random, { registry: trainingRegistry(), seed: 1 });
  for await (const { targets } of dataset.epoch({ epoch: 0, shuffle: true })) {
    assert.is(targets.length, 3);
    break;
  }
  await dataset.close();
});

test('by the id of a dataset with scoreddocs, spelled with or without the dash', async () => {
  const registry = trainingRegistry();
  registry.register('msmarco-passage/train/rank-distillm-rankzephyr', {
    docs: 'training/grades',
    queries: 'training/grades',
    qrels: 'training/grades',
    scoreddocs: gradesRun,
  });
  const options = { targets: 'rank', depth: 5, sampleSize: 3 } as const;
  const expected = await readTraining({ runPathOrId: gradesRun, ...options });
  assert.is(expected.dataset.name, '__made__training-grades.run');
  for (const runPathOrId of ['rank-distillm-rank-zephyr', 'rank-distillm-rankzephyr']) {
    const named = await readTraining({ runPathOrId: `msmarco-passage/train/${runPathOrId}`, ...options }, { registry });
    assert.equal(named.samples, expected.samples);
    assert.is(named.dataset.name, 'msmarco-passage/train/rank-distillm-rankzephyr');
  }
});

test('runs with their own texts and grades, in every format that carries them', async () => {
  const registry = new DatasetRegistry(); // nothing is looked up elsewhere
  const options = { targets: 'relevance', samplingStrategy: 'single_relevant', sampleSize: 3 } as const;
  const all = await readTraining({ runPathOrId: golden('with-texts.jsonl'), ...options }, { registry });
  // q9 and q2 alone have a document of grade 1 or more and two of grade 0; grades are len(docid) - 2
  assert.ok(all.samples.length > 0);
  for (const { docIds, docs, targets } of all.samples) {
    assert.equal(
      targets,
      docIds.map((docId) => docId.length - 2),
    );
    assert.ok(targets[0]! > 0 && targets[1] === 0 && targets[2] === 0);
    assert.ok(docs.every((text) => text.length > 0));
  }
  const json = await readTraining({ runPathOrId: golden('with-texts.json'), ...options }, { registry });
  assert.equal(json.samples, all.samples);
  const scores = { targets: 'score', samplingStrategy: 'random', sampleSize: 3 } as const;
  const parquet = await readTraining({ runPathOrId: golden('with-texts-snappy.parquet'), ...scores }, { registry });
  const lines = await readTraining({ runPathOrId: golden('with-texts.jsonl'), ...scores }, { registry });
  assert.equal(parquet.samples, lines.samples);
});

test('rank targets without a depth are negated ranks', async () => {
  const { samples } = await readTraining({ runPathOrId: gradesRun, targets: 'rank', sampleSize: 4 });
  assert.equal(
    samples.map(({ targets }) => targets),
    [
      [-1, -2, -3, -4],
      [-1, -2, -2, -2],
      [-1, -2, -3, -4],
    ],
  );
});

test("both stages of the seed's recipe on DL 2020: BM25 with qrels, and a ranking of 100", async () => {
  const year = sharedPath('data/trec-dl-2020');
  if (year === undefined) return;
  const registry = new DatasetRegistry();
  registry.register('dl20', {
    docs: join(year, 'collection.tsv'),
    queries: join(year, 'queries.tsv'),
    qrels: join(year, 'qrels.txt'),
  });
  const bm25 = { runPathOrId: join(year, 'runs/bm25.run'), dataset: 'dl20' };
  const stageOne = await readTraining(
    {
      ...bm25,
      depth: 200,
      sampleSize: 8,
      samplingStrategy: 'single_relevant',
      targets: 'relevance',
      addDocsNotInRanking: true,
    },
    { registry, seed: 42 },
  );
  assert.is(stageOne.samples.length, 54);
  for (const { targets } of stageOne.samples) {
    assert.ok(targets[0]! > 0);
    assert.equal(targets.slice(1), new Array<number>(7).fill(0));
  }
  // data/README.md there: 11386 judged pairs, 5004 of them with text
  assert.ok(stageOne.dataset.warnings[0]!.endsWith(`not added: ${11386 - 5004}`), stageOne.dataset.warnings[0]);
  const stageTwo = await readTraining(
    { ...bm25, depth: 100, sampleSize: 100, targets: 'rank' },
    { registry, seed: 42 },
  );
  assert.is(stageTwo.samples.length, 54);
  const falling = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.ok(stageTwo.samples.every(({ targets }) => targets.join() === falling.join()));
  assert.equal(stageTwo.dataset.warnings, []);
});

test.run();
