import { utimesSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTrainingDataset, openValidationDataset } from '../../src/data/open-dataset.js';
import { DatasetRegistry } from '../../src/data/registry.js';
import type { TrainingDataset, TrainingSample } from '../../src/data/training-dataset.js';
import { openTupleDataset, type TupleDatasetOptions } from '../../src/data/tuple-dataset.js';
import { collect, inTraining, trainingReference, trainingRegistry } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';

const test = suite('TupleDataset');
const { file } = temporaryFiles();
const FILES: Record<string, string> = { grades: 'pairs.tsv', 'scored-pairs': 'scored-pairs.tsv', lists: 'lists.json' };

function registered(docpairs: string, id = 'training/tuples', parts: object = {}): DatasetRegistry {
  const registry = new DatasetRegistry();
  registry.register(id, { docs: inTraining('docs.tsv'), queries: inTraining('queries.tsv'), docpairs, ...parts });
  return registry;
}

async function read(
  registry: DatasetRegistry,
  options: Omit<TupleDatasetOptions, 'tuplesDataset'> = {},
): Promise<{ dataset: TrainingDataset; samples: TrainingSample[] }> {
  await using dataset = await openTupleDataset({ tuplesDataset: registry.ids()[0]!, ...options }, { registry });
  return { dataset, samples: await collect(dataset.epoch({ epoch: 0, shuffle: true })) };
}

const ids = (samples: TrainingSample[]) => samples.map(({ queryId, docIds, targets }) => [queryId, docIds, targets]);

const { tuples } = trainingReference();
assert.is(tuples.length, 7);
for (const { dataset: name, targets, num_docs: numDocs, samples } of tuples) {
  test(`as lightning-ir: ${name}, targets ${targets}, num_docs ${numDocs}`, async () => {
    const found = await read(registered(inTraining(FILES[name]!)), { targets, numDocs });
    assert.equal(found.samples, samples);
    assert.is(found.dataset.countSamples(), samples.length);
    assert.is(found.dataset.sampleSize, samples[0]!.docIds.length);
    assert.equal(found.dataset.warnings, []);
    assert.is(found.dataset.name, 'training/tuples');
  });
}

test('gzipped, with whole numbers as ids, and lists without scores', async () => {
  const gzipped = await read(registered(file('pairs.gz', gzipSync('t1\td3\td1\n\nt2 d16  d9\n'))));
  assert.equal(ids(gzipped.samples), [
    ['t1', ['d3', 'd1'], [1, 0]],
    ['t2', ['d16', 'd9'], [1, 0]],
  ]);
  const numbered = registered(file('n.jsonl', '[7, 11, 12, "13"]\n'), 'n', {
    docs: file('n-docs.tsv', '11\ta\n12\tb\n13\tc\n'),
    queries: file('n-queries.tsv', '7\tq\n'),
  });
  assert.equal((await read(numbered)).samples, [
    { queryId: '7', query: 'q', docIds: ['11', '12', '13'], docs: ['a', 'b', 'c'], targets: [1, 0, 0] },
  ]);
});

test('for validation: the first so many, with targets and without judgements', async () => {
  const registry = registered(file('v.tsv', 't1 d3 d1\nt2 d16 d9\nt1 d4 d1\n'));
  await using dataset = await openValidationDataset({ tuplesDataset: 'training/tuples' }, { registry });
  assert.equal(
    [dataset.label, dataset.countTopics(), dataset.countPairs(), dataset.countPairs(2)],
    ['training/tuples', 3, 6, 4],
  );
  assert.is(await dataset.qrels(), undefined);
  const all = await collect(dataset.samples());
  assert.equal(
    all.map(({ queryId, docIds, targets }) => [queryId, docIds, targets]),
    [
      ['t1', ['d3', 'd1'], [1, 0]],
      ['t2', ['d16', 'd9'], [1, 0]],
      ['t1', ['d4', 'd1'], [1, 0]],
    ],
  );
  assert.equal(await collect(dataset.samples(2)), all.slice(0, 2));
  assert.equal(await collect(dataset.samples(9)), all);
  assert.equal(await collect(dataset.samples([0, 2])), [all[0], all[2]]);
  // more than a call takes arguments: ranks divide the tuples of a validation
  assert.equal(await collect(dataset.samples(Array.from({ length: 200_000 }, (_, i) => i))), all);
  await using run = await openValidationDataset(
    { runPathOrId: inTraining('__made__training-grades.run'), targets: 'rank' },
    { registry: trainingRegistry() },
  );
  assert.equal([run.label, run.countTopics()], ['__made__training-grades.run', 3]);
});

test('tuples with equal scores are counted in a warning', async () => {
  const path = file('equal.tsv', '1.5 1.5 t1 d3 d1\n2 1 t2 d16 d9\n0.1 0.10000000001 t1 d4 d1\n');
  const { dataset } = await read(registered(path), { targets: 'score' });
  assert.is(dataset.warnings.length, 1);
  assert.match(dataset.warnings[0]!, /tuples with one document or equal targets.* learn nothing: 2 of 3/);
  assert.equal((await read(registered(path))).dataset.warnings, []);
});

const sbert = [
  '{"qid": "t1", "pos": [{"pid": "d3", "ce-score": 9}], "neg": {"bm25": [{"pid": "d1", "ce-score": 1}], "tas-b": [{"pid": "d4", "ce-score": 2}]}}',
  '{"qid": "t2", "pos": [], "neg": {"bm25": [{"pid": "d1", "ce-score": 1}, {"pid": "d2", "ce-score": 1}]}}',
  '{"qid": "t10", "pos": [{"pid": "d18", "ce-score": 8}], "neg": {"tas-b": [{"pid": "d7", "ce-score": 0.5}]}}',
  '{"qid": "t2", "pos": [{"pid": "d16", "ce-score": 8}], "neg": {"bm25": [{"pid": "d9", "ce-score": 0.5}]}}',
].join('\n');

test("sentence-transformers' hard negatives: the system is in the dataset's id", async () => {
  const path = file('hard.jsonl', sbert);
  const { samples, dataset } = await read(registered(path, 'msmarco-passage/train/sbert-bm25-docpairs'), {
    targets: 'score',
    numDocs: 2,
  });
  assert.equal(ids(samples), [
    ['t1', ['d3', 'd1'], [9, 1]],
    ['t2', ['d16', 'd9'], [8, 0.5]],
  ]);
  assert.equal(dataset.warnings, [
    `${path}: tuples without a positive, skipped: 1`,
    `${path}: tuples with fewer than 2 documents, skipped: 1`,
  ]);
  const other = await read(registered(path, 'train-sbert-tas-b-docpairs'), { numDocs: 8 });
  assert.equal(ids(other.samples), [
    ['t1', ['d3', 'd4'], [1, 0]],
    ['t10', ['d18', 'd7'], [1, 0]],
  ]);
  await refuses(() => read(registered(path)), 'bad_input', 'hard.jsonl:1', '2 systems');
});

test('a document that stands twice in a tuple is kept, as lightning-ir does, and said', async () => {
  const path = file('twice.json', '["t1", "d1", "d1"]\n["t2", "d3", "d4"]\n');
  const { samples, dataset } = await read(registered(path));
  assert.equal(ids(samples)[0]!.slice(0, 2), ['t1', ['d1', 'd1']]);
  assert.equal(dataset.warnings, [`${path}: tuples that name a document twice, kept as they are: 1`]);
});

test('num_docs is the most that is taken; shorter tuples are left out where others are longer', async () => {
  const path = file('mixed.json', '["t1", "d1", "d2"]\n["t2", "d3", "d4", "d5"]\n["t2", "d6", "d7", "d8", "d9"]\n');
  const { samples, dataset } = await read(registered(path), { numDocs: 3 });
  assert.equal(
    samples.map(({ docIds }) => docIds),
    [
      ['d3', 'd4', 'd5'],
      ['d6', 'd7', 'd8'],
    ],
  );
  assert.equal(dataset.warnings, [`${path}: tuples with fewer than 3 documents, skipped: 1`]);
  const two = await read(registered(path), { numDocs: 2 });
  assert.is(two.samples.length, 3);
  await refuses(() => read(registered(path)), 'bad_input', 'mixed.json:2', '3 documents', '2 on line 1');
});

test('every epoch is in file order, from any start, also across blocks of lines', async () => {
  // past 64 KiB, so that the file is read in several blocks
  const lines = Array.from({ length: 9000 }, (_, i) => `t${(i % 2) + 1}\td${(i % 20) + 1}\td${((i * 7) % 20) + 1}`);
  const registry = registered(file('long.tsv', lines.join('\n')));
  await using dataset = await openTrainingDataset({ tuplesDataset: 'training/tuples' }, { registry });
  const whole = await collect(dataset.epoch({ epoch: 0, shuffle: false }));
  assert.equal(
    whole.map(({ queryId, docIds }) => [queryId, ...docIds].join('\t')),
    lines,
  );
  for (const from of [1, 5000, 8999, 9000]) {
    assert.equal(await collect(dataset.epoch({ epoch: 3, shuffle: true, from })), whole.slice(from));
  }
  await refuses(() => collect(dataset.epoch({ epoch: 0, shuffle: false, from: 9001 })), 'bad_input', '9001', '9000');
  for await (const sample of dataset.epoch({ epoch: 0, shuffle: false })) {
    assert.equal(sample, whole[0]);
    break;
  }
});

const pairs = inTraining('pairs.tsv');
const bad: [
  name: string,
  registry: DatasetRegistry,
  options: object,
  code: 'bad_input' | 'not_found',
  words: string[],
][] = [
  ['unknown id', registered(pairs), { tuplesDataset: 'x' }, 'not_found', ["'x'"]],
  ['no docpairs', registered(pairs, 'a', { docpairs: undefined }), {}, 'bad_input', ['no docpairs']],
  ['no docs', registered(pairs, 'a', { docs: undefined }), {}, 'bad_input', ['no docs']],
  ['no queries', registered(pairs, 'a', { queries: undefined }), {}, 'bad_input', ['no queries']],
  ['no such file', registered('none.tsv'), {}, 'not_found', ['none.tsv']],
  ['empty file', registered(file('empty.tsv', '')), {}, 'bad_input', ['empty.tsv', 'empty']],
  ['num_docs 1', registered(pairs), { numDocs: 1 }, 'bad_input', ['options.numDocs', 'received the number 1']],
  ['unknown targets', registered(pairs), { targets: 'rank' }, 'bad_input', ['options.targets', '"rank"']],
  ['no scores', registered(pairs), { targets: 'score' }, 'bad_input', ['pairs.tsv:1', 'no scores']],
  ['four columns', registered(file('4.tsv', 't1\td1\td2\td3\n')), {}, 'bad_input', ['4.tsv:1', 'found 4']],
  ['other columns', registered(file('o.tsv', 't1 d1 d2\nt1 d1\n')), {}, 'bad_input', ['o.tsv:2', 'found 2']],
  ['bad score', registered(file('s.tsv', '1 x t1 d1 d2\n')), {}, 'bad_input', ['s.tsv:1', "'x'"]],
  [
    'huge score',
    registered(file('h.tsv', '1 2 t1 d1 d2\n1e39 1 t1 d1 d2\n')),
    { targets: 'score' },
    'bad_input',
    ['h.tsv:2', 'float32'],
  ],
  ['infinite score', registered(file('i.json', '["t1", ["d1", 1e999], ["d2", 1]]')), {}, 'bad_input', ['i.json:1']],
  ['score of some', registered(file('m.json', '["t1", ["d1", 1], "d2"]')), {}, 'bad_input', ['m.json:1', 'some']],
  ['bad JSON', registered(file('b.json', '["t1", "d1", "d2"]\n["t1"\n')), {}, 'bad_input', ['b.json:2', 'JSON']],
  ['a number', registered(file('c.json', '["t1", "d1", "d2"]\n3\n')), {}, 'bad_input', ['c.json:2', 'list or object']],
  ['bad id', registered(file('d.json', '["t1", null, "d2"]')), {}, 'bad_input', ['d.json:1', 'document id']],
  ['triple', registered(file('e.json', '["t1", ["d1", 1, 2], ["d2", 1]]')), {}, 'bad_input', ['e.json:1']],
  ['no pos', registered(file('f.json', '{"qid": "t1", "neg": {}}')), {}, 'bad_input', ['f.json:1', 'pos']],
  [
    'one document',
    registered(file('g.json', '["t1", "d1"]')),
    {},
    'bad_input',
    ['g.json', 'fewer than 2', 'skipped: 1'],
  ],
  [
    'unknown documents',
    registered(file('u.tsv', 't1 d1 d2\nt1 d77 d78\n')),
    {},
    'not_found',
    ['u.tsv:2', "'d77'", '2 of the 4'],
  ],
  ['unknown query', registered(file('q.tsv', 't1 d1 d2\nt9 d1 d2\n')), {}, 'not_found', ['q.tsv:2', "'t9'"]],
];
for (const [name, registry, options, code, words] of bad) {
  test(`refused: ${name}`, async () => {
    await refuses(() => read(registry, options), code, ...words);
  });
}

test('tuples that are rewritten after they were checked are refused', async () => {
  const path = file('rewritten.tsv', 't1\td3\td1\nt2\td16\td9\n');
  const registry = registered(path);
  await using dataset = await openTupleDataset({ tuplesDataset: 'training/tuples' }, { registry });
  assert.is((await collect(dataset.epoch({ epoch: 0, shuffle: false }))).length, 2);
  writeFileSync(path, 't1\td1\td3\nt2\td16\td9\n');
  utimesSync(path, 1, 1);
  await refuses(() => collect(dataset.epoch({ epoch: 1, shuffle: false })), 'io', 'rewritten.tsv', 'changed');
});

test.run();
