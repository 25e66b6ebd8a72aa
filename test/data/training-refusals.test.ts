import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatasetRegistry } from '../../src/data/registry.js';
import { RunDataset } from '../../src/data/run-dataset.js';
import type { RunDatasetOptions } from '../../src/data/run-options.js';
import { openTrainingRunDataset } from '../../src/data/training-run-dataset.js';
import { collect, golden, gradesRun, inTraining, readTraining, trainingRegistry } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';

const test = suite('RunDataset for training: what is left out, what is refused');
const { file } = temporaryFiles();

const relevance: RunDatasetOptions = { runPathOrId: gradesRun, targets: 'relevance', sampleSize: 3 };

/** A run of its own, of dataset training/grades. */
function run(name: string, lines: string): Pick<RunDatasetOptions, 'runPathOrId' | 'dataset'> {
  return { runPathOrId: file(name, lines), dataset: 'training/grades' };
}

function only(parts: object): DatasetRegistry {
  const registry = new DatasetRegistry();
  registry.register('training/grades', parts);
  return registry;
}

const dropped: [
  name: string,
  options: Partial<RunDatasetOptions>,
  registry: DatasetRegistry,
  topics: string[],
  warnings: string[],
][] = [
  [
    'topics without judgements',
    {},
    trainingRegistry(),
    ['t1', 't10', 't2'],
    ['topics without judgements in .*grades.tsv, skipped: 1'],
  ],
  [
    'no judgements at all and none needed',
    { targets: 'score' },
    only({ docs: inTraining('docs.tsv'), queries: inTraining('queries.tsv') }),
    ['t1', 't10', 't2', 't3'],
    [],
  ],
  [
    'lists shorter than sample_size',
    { sampleSize: 6 },
    trainingRegistry(),
    ['t1', 't10'],
    ['topics without judgements', 'topics with fewer than 6 documents to sample from, skipped: 1'],
  ],
  [
    'added documents count, so fewer lists are too short',
    { sampleSize: 6, addDocsNotInRanking: true },
    trainingRegistry(),
    ['t1', 't10', 't2'],
    ['topics without judgements'],
  ],
  [
    'single_relevant: no relevant document within depth',
    { samplingStrategy: 'single_relevant', depth: 1, sampleSize: 1 },
    trainingRegistry(),
    [],
    ['topics without a relevant document, skipped: 3'],
  ],
  [
    'single_relevant: too few that are not relevant',
    { samplingStrategy: 'single_relevant', depth: 5, sampleSize: 5 },
    trainingRegistry(),
    ['t2'],
    ['topics without judgements', 'fewer than 5 documents to sample from, skipped: 2'],
  ],
  [
    'judged documents without a text',
    { addDocsNotInRanking: true, sampleSize: 6 },
    trainingRegistry({
      qrels: file('untold.tsv', 't1 0 d3 2\nt1 0 d98 1\nt1 0 d99 0\nt2 0 d97 1\nt2 0 d16 1\nt10 0 d18 1\n'),
    }),
    ['t1', 't10', 't2'],
    ['topics without judgements', 'judged documents without a text in .*docs.tsv, not added: 3'],
  ],
  [
    'negative scores beside added documents',
    { addDocsNotInRanking: true, targets: 'score', sampleSize: 6 },
    trainingRegistry(),
    ['t1', 't10', 't2'],
    ['topics without judgements', 'target 0, which is above the negative scores of 1 documents'],
  ],
  [
    'a depth beyond the run',
    { depth: 9 },
    trainingRegistry(),
    ['t1', 't10', 't2'],
    ['topics without judgements', 'depth 9 is greater than the greatest rank, 6'],
  ],
  [
    'samples of one document',
    { sampleSize: 1, samplingStrategy: 'random' },
    trainingRegistry(),
    ['t1', 't10', 't2'],
    ['topics without judgements', 'one document or equal targets, .* learn nothing: 3 of 3'],
  ],
  [
    'equal targets within what is sampled',
    { sampleSize: 3 },
    trainingRegistry({ qrels: file('equal.tsv', 't1 0 d3 1\nt2 0 d99 1\nt10 0 d99 1\n') }),
    ['t1', 't10', 't2'],
    ['topics without judgements', 'one document or equal targets, .* learn nothing: 2 of 3'],
  ],
  [
    'nothing can be added to a run with its own texts',
    { runPathOrId: golden('with-texts.jsonl'), addDocsNotInRanking: true, sampleSize: 3 },
    new DatasetRegistry(),
    ['q10', 'q2', 'q9'],
    [
      'fewer than 3 documents',
      'add_docs_not_in_ranking adds nothing: the run contains its own texts',
      'with one document or equal targets, from which ranking losses learn nothing: 1 of 3',
    ],
  ],
];
for (const [name, options, registry, topics, warnings] of dropped) {
  test(`left out: ${name}`, async () => {
    if (topics.length === 0) {
      const error = await refuses(() => readTraining({ ...relevance, ...options }, { registry }), 'bad_input');
      for (const warning of warnings) assert.match(error.message, new RegExp(warning));
      return;
    }
    const { dataset, samples } = await readTraining({ ...relevance, ...options }, { registry });
    assert.equal(
      samples.map(({ queryId }) => queryId),
      topics,
    );
    assert.is(dataset.countSamples(), topics.length);
    assert.is(dataset.warnings.length, warnings.length, dataset.warnings.join('\n'));
    for (const [i, warning] of warnings.entries()) assert.match(dataset.warnings[i]!, new RegExp(warning));
    for (const sample of samples) {
      assert.is(sample.docIds.length, dataset.sampleSize);
      assert.is(sample.docs.length, dataset.sampleSize);
      assert.is(sample.targets.length, dataset.sampleSize);
      assert.ok(sample.targets.every(Number.isFinite));
    }
  });
}

const bad: [
  name: string,
  options: Partial<RunDatasetOptions>,
  registry: DatasetRegistry,
  code: 'bad_input' | 'not_found' | 'unsupported',
  words: string[],
][] = [
  ['no targets', { targets: null }, trainingRegistry(), 'bad_input', ['options.targets: is not set']],
  [
    'rank targets of added documents',
    { targets: 'rank', addDocsNotInRanking: true },
    trainingRegistry(),
    'bad_input',
    ['targets: rank', 'options.addDocsNotInRanking'],
  ],
  ['subtopics', { targets: 'subtopic_relevance' }, trainingRegistry(), 'unsupported', ['subtopic_relevance']],
  ['unknown targets', { targets: 'grade' as 'rank' }, trainingRegistry(), 'bad_input', ['options.targets', '"grade"']],
  [
    'unknown strategy',
    { samplingStrategy: 'best' as 'top' },
    trainingRegistry(),
    'bad_input',
    ['options.samplingStrategy', '"best"'],
  ],
  [
    'sample_size 0',
    { sampleSize: 0 },
    trainingRegistry(),
    'bad_input',
    ['options.sampleSize', 'received the number 0'],
  ],
  [
    'nothing left',
    { sampleSize: 50 },
    trainingRegistry(),
    'bad_input',
    ['no topic is left', 'fewer than 50', 'skipped: 3'],
  ],
  [
    'lists of different lengths',
    { sampleSize: -1 },
    trainingRegistry(),
    'bad_input',
    [':7: topic', "'t2' has 5", "'t1' has 6"],
  ],
  [
    'no qrels for relevance',
    {},
    only({ docs: inTraining('docs.tsv'), queries: inTraining('queries.tsv') }),
    'bad_input',
    ['targets: relevance needs judgements', 'training/grades has no qrels'],
  ],
  [
    'no qrels for single_relevant',
    { targets: 'score', samplingStrategy: 'single_relevant' },
    only({ docs: inTraining('docs.tsv'), queries: inTraining('queries.tsv') }),
    'bad_input',
    ['single_relevant needs judgements'],
  ],
  [
    'no qrels for added documents',
    { targets: 'score', addDocsNotInRanking: true },
    only({ docs: inTraining('docs.tsv'), queries: inTraining('queries.tsv') }),
    'bad_input',
    ['add_docs_not_in_ranking: true needs judgements'],
  ],
  ['no dataset', { targets: 'relevance' }, new DatasetRegistry(), 'not_found', ["'training-grades'"]],
  [
    'no docs',
    {},
    only({ queries: inTraining('queries.tsv'), qrels: inTraining('grades.tsv') }),
    'bad_input',
    ['no docs', 'training/grades'],
  ],
  [
    'no queries',
    {},
    only({ docs: inTraining('docs.tsv'), qrels: inTraining('grades.tsv') }),
    'bad_input',
    ['no queries', 'training/grades'],
  ],
  [
    'a query without text',
    {},
    trainingRegistry({ queries: file('queries.tsv', 't1\ta\nt2\tb\n') }),
    'not_found',
    ['training-grades.run:12', "'t10'", 'queries.tsv'],
  ],
  [
    'a ranked document without text',
    run('lost.run', 't1 0 d1 1 3 x\nt1 0 d77 2 2 x\nt1 0 d3 3 1 x\n'),
    trainingRegistry(),
    'not_found',
    ['lost.run:2', "'d77'", '1 of the 3'],
  ],
  [
    'two texts of one query',
    run(
      'queries.jsonl',
      ['one', 'one', 'two']
        .map((query, i) => `${JSON.stringify({ qid: 't1', docid: `d${i + 1}`, rank: i + 1, query })}\n`)
        .join(''),
    ),
    trainingRegistry(),
    'bad_input',
    ["queries.jsonl:3: query 't1'", 'queries.jsonl:1'],
  ],
  [
    'NaN as score',
    { ...run('nan.run', 't1 0 d1 1 3 x\nt1 0 d2 2 NaN x\n'), targets: 'score' },
    trainingRegistry(),
    'bad_input',
    ['nan.run:2', 'score', "'NaN'"],
  ],
  [
    'infinite score',
    { ...run('inf.run', 't1 0 d1 1 inf x\n'), targets: 'score' },
    trainingRegistry(),
    'bad_input',
    ['inf.run:1', 'score', "'inf'"],
  ],
  [
    'score beyond float32',
    { ...run('huge.run', 't1 0 d1 1 3 x\nt1 0 d2 2 1e39 x\nt1 0 d3 3 1 x\n'), targets: 'score' },
    trainingRegistry(),
    'bad_input',
    ['huge.run:2', '1e+39', 'float32'],
  ],
  [
    'no score for targets: score',
    {
      ...run(
        'ranks.jsonl',
        '{"qid": "t1", "docid": "d1", "rank": 1, "score": 2}\n{"qid": "t1", "docid": "d2", "rank": 2}\n',
      ),
      targets: 'score',
      sampleSize: 1,
    },
    trainingRegistry(),
    'bad_input',
    ['ranks.jsonl:2', 'no score'],
  ],
  [
    'rank 0 for log_random',
    { ...run('zero.run', 't1 0 d1 0 3 x\nt1 0 d2 1 2 x\n'), samplingStrategy: 'log_random', sampleSize: 1 },
    trainingRegistry(),
    'bad_input',
    ['zero.run:1', 'rank 0', 'log_random'],
  ],
];
for (const [name, options, registry, code, words] of bad) {
  test(`refused: ${name}`, async () => {
    await refuses(() => readTraining({ ...relevance, ...options }, { registry }), code, ...words);
  });
}

test('documents that top never reaches need no text, random ones do', async () => {
  const lines = 't1 0 d1 1 3 x\nt1 0 d2 2 2 x\nt1 0 d77 3 1 x\n';
  const { samples } = await readTraining({ ...relevance, ...run('deep.run', lines), sampleSize: 2 });
  assert.equal(samples[0]!.docIds, ['d1', 'd2']);
  for (const samplingStrategy of ['random', 'log_random', 'top_and_random'] as const) {
    const options = { ...relevance, ...run('deep.run', lines), sampleSize: 2, samplingStrategy };
    await refuses(() => readTraining(options), 'not_found', 'deep.run:3', "'d77'");
  }
});

test('an epoch does not start beyond its end', async () => {
  await using dataset = await openTrainingRunDataset(relevance, { registry: trainingRegistry(), seed: 1 });
  for (const from of [4, -1, 1.5]) {
    assert.throws(
      () => dataset.epoch({ epoch: 0, shuffle: true, from }),
      (error: Error) => error.message.includes(`after ${from} samples of an epoch of 3`),
    );
  }
  assert.equal(await collect(dataset.epoch({ epoch: 0, shuffle: true, from: 3 })), []);
});

test('a seed that is none is refused before files are read', async () => {
  await refuses(() => readTraining(relevance, { seed: -5 }), 'bad_input', 'seed', '-5');
});

test('scoring goes on without targets that cannot be given, and says so', async () => {
  const unjudged = only({ docs: inTraining('docs.tsv'), queries: inTraining('queries.tsv') });
  const ranks = file('ranks-only.jsonl', '{"qid": "t1", "docid": "d1", "rank": 1}\n');
  for (const [options, words] of [
    [{ runPathOrId: gradesRun, targets: 'relevance' }, 'there are no judgements'],
    [{ runPathOrId: gradesRun, targets: 'subtopic_relevance' }, 'subtopic_relevance is not supported'],
    [{ runPathOrId: ranks, dataset: 'training/grades', targets: 'score' }, 'ranks-only.jsonl:1 has none'],
  ] as const) {
    await using dataset = await RunDataset.open(options, unjudged);
    const samples = await collect(dataset.samples());
    assert.ok(samples.length > 0 && samples.every((sample) => !('targets' in sample)));
    assert.is(dataset.warnings.length, 1);
    assert.ok(dataset.warnings[0]!.includes(words), dataset.warnings[0]);
  }
});

test.run();
