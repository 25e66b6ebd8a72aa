import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Qrel, RankingSample } from '../../src/data/records.js';
import { DatasetRegistry } from '../../src/data/registry.js';
import { RunDataset } from '../../src/data/run-dataset.js';
import type { RunDatasetOptions } from '../../src/data/run-options.js';
import { sharedPath } from '../support/shared.js';
import { collect, golden } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';

interface Case {
  run: string;
  options: { depth?: number; sample_size?: number };
  datasetId: string;
  samples: RankingSample[];
  qrels: [string, string, number][] | null;
}

const test = suite('RunDataset');
const { folder, file } = temporaryFiles();
const reference = JSON.parse(readFileSync(golden('lightning-ir.json'), 'utf8')) as {
  cases: Case[];
  hashes: Record<'bm25' | 'colbert', { depth: number; sha256: string }>;
};

function registry(): DatasetRegistry {
  const datasets = new DatasetRegistry();
  datasets.register('golden/test', {
    docs: golden('docs.tsv'),
    queries: golden('queries.tsv'),
    qrels: golden('qrels.tsv'),
  });
  return datasets;
}

async function read(
  options: RunDatasetOptions,
  datasets = registry(),
): Promise<{ dataset: RunDataset; samples: RankingSample[] }> {
  const dataset = await RunDataset.open(options, datasets);
  try {
    return { dataset, samples: await collect(dataset.samples()) };
  } finally {
    await dataset.close();
  }
}

const sorted = (rows: [string, string, number][]) => rows.slice().sort((a, b) => (a.join() < b.join() ? -1 : 1));
const triples = (qrels: Qrel[]) => sorted(qrels.map((q) => [q.queryId, q.docId, q.relevance]));

assert.is(reference.cases.length, 11);
for (const { run, options, datasetId, samples, qrels } of reference.cases) {
  test(`as lightning-ir: ${run} ${JSON.stringify(options)}`, async () => {
    const chosen: RunDatasetOptions = { runPathOrId: golden(run) };
    if (options.depth !== undefined) chosen.depth = options.depth;
    if (options.sample_size !== undefined) chosen.sampleSize = options.sample_size;
    const dataset = await RunDataset.open(chosen, registry());
    assert.equal(await collect(dataset.samples()), samples);
    assert.is(dataset.countTopics(), samples.length);
    assert.is(
      dataset.countPairs(),
      samples.reduce((sum, sample) => sum + sample.docs.length, 0),
    );
    assert.is(dataset.datasetId, datasetId);
    const found = await dataset.qrels();
    assert.equal(found === undefined ? null : triples(found), qrels && sorted(qrels));
    await dataset.close();
  });
}

test('gzipped, by dataset option, and by the id of a dataset with scoreddocs: the same samples', async () => {
  const { samples } = reference.cases[1]!;
  const depth = 2;
  const gzipped = await read({ runPathOrId: golden('__gzipped__golden-test.run.gz'), depth });
  assert.equal(gzipped.samples, samples);
  assert.equal(
    [gzipped.dataset.datasetId, gzipped.dataset.label, gzipped.dataset.runName],
    ['golden/test', '__gzipped__golden-test.run.gz', '__gzipped__golden-test'],
  );
  const elsewhere = join(folder, 'first.stage.run');
  copyFileSync(golden('__made__golden-test.run'), elsewhere);
  const named = await read({ runPathOrId: elsewhere, depth, dataset: 'golden/test' });
  assert.equal(named.samples, samples);
  assert.is(named.dataset.runPath, elsewhere);
  const datasets = registry();
  datasets.register('golden/scored', {
    docs: 'golden/test',
    queries: 'golden/test',
    qrels: 'golden/test',
    scoreddocs: golden('__made__golden-test.run'),
  });
  const byId = await read({ runPathOrId: 'golden/scored', depth }, datasets);
  assert.equal(byId.samples, samples);
  assert.equal(
    [byId.dataset.runPath, byId.dataset.label, byId.dataset.runName],
    [undefined, 'golden/scored', 'golden-scored'],
  );
});

test('scoreddocs of two columns are ranked in file order, of three by score, ties in file order', async () => {
  const datasets = (content: string) => {
    const known = registry();
    const parts = { docs: 'golden/test', queries: 'golden/test', qrels: 'golden/test' };
    known.register('mine', { ...parts, scoreddocs: file('scored.tsv', content) });
    return known;
  };
  const { samples } = reference.cases[0]!;
  const { queryId, docIds } = samples[0]!;
  const [a, b, c] = docIds as [string, string, string];
  const order = async (content: string) => {
    const { samples } = await read({ runPathOrId: 'mine', targets: 'score' }, datasets(content));
    return samples.map((sample) => [sample.queryId, sample.docIds, sample.targets]);
  };
  assert.equal(await order(`${queryId}\t${b}\n${queryId}\t${a}\n${queryId}\t${c}\n`), [
    [queryId, [b, a, c], undefined],
  ]);
  assert.equal(await order(`# made up\n${queryId} ${b} 0.5\n${queryId} ${a} 7\n${queryId} ${c} 0.5\n`), [
    [queryId, [a, b, c], [7, 0.5, 0.5]],
  ]);
  for (const [content, ...words] of [
    [`${queryId} ${a}\n${queryId} ${b} 2\n`, 'scored.tsv:2', 'expected 2 columns'],
    [`${queryId} ${a} 1\n${queryId} Q0 ${b} 1 2 t\n`, 'scored.tsv:2', 'expected 3 columns'],
    [`${queryId} Q0 ${b} 1 2 t\n${queryId} ${a} 1\n`, 'scored.tsv:2', 'found 3'],
    [`${queryId} ${a} high\n`, 'scored.tsv:1', "'high'"],
    [`${queryId} ${a}\n${queryId} ${a}\n`, 'scored.tsv:2', 'occurs twice'],
  ] as const) {
    await refuses(() => order(content), 'bad_input', ...words);
  }
  // a file that is named itself is a run, and two columns may be qrels
  const path = file('scored.tsv', `${queryId}\t${a}\n`);
  await refuses(() => read({ runPathOrId: path, dataset: 'golden/test' }), 'bad_input', 'scored.tsv:1', 'found 2');
});

test('what is left out is said', async () => {
  const { dataset, samples } = await read({ runPathOrId: golden('__made__golden-test.run'), depth: 50, sampleSize: 4 });
  assert.equal(
    samples.map((sample) => [sample.queryId, sample.docIds.length]),
    [
      ['q2', 4],
      ['q9', 4],
    ],
  );
  assert.is(dataset.warnings.length, 3);
  for (const [index, words] of ['without judgements in', 'fewer than 4 documents', 'greatest rank, 5'].entries()) {
    assert.ok(dataset.warnings[index]!.includes(words), dataset.warnings[index]);
  }
});

test('texts that some records lack come from the collection', async () => {
  const path = file(
    '__some__golden-test.jsonl',
    [
      '{"qid": "q2", "docid": "d1", "rank": 1, "text": "own text"}',
      '{"qid": "q2", "docid": "d2", "rank": 2, "text": null}',
    ].join('\n'),
  );
  const { samples } = await read({ runPathOrId: path });
  assert.is(samples[0]!.query, 'who keeps the lighthouse');
  assert.equal(samples[0]!.docs, ['own text', 'Passage 2 tells of lighthouse 4 and its keeper.']);
});

test('a run with its own texts needs no registration', async () => {
  const { dataset, samples } = await read({ runPathOrId: golden('with-texts-snappy.parquet') }, new DatasetRegistry());
  assert.is(samples.length, 4);
  assert.is(await dataset.qrels(), undefined);
});

test('ids that cannot stand in a written run are told with their line, where a run is to be written', async () => {
  const record = { query: 'q', text: 't', score: 1 };
  const jsonl = (name: string, ...ids: [string, string][]) =>
    file(name, ids.map(([qid, docid]) => `${JSON.stringify({ qid, docid, ...record })}\n`).join(''));
  const cases: [path: string, ...words: string[]][] = [
    [jsonl('space.jsonl', ['1', 'a'], ['1', 'b c'], ['1', 'd\n']), 'space.jsonl:2', "document id 'b c'"],
    [jsonl('topic.jsonl', ['1', 'a'], ['2\n', 'a']), 'topic.jsonl:2', "query id '2\\n'"],
    [jsonl('records.json.jsonl', ['1\v', 'a']), 'records.json.jsonl:1', 'query id'],
  ];
  for (const [path, ...words] of cases) {
    const { dataset, samples } = await read({ runPathOrId: path });
    assert.ok(samples.length > 0);
    await refuses(() => dataset.assertWritable(), 'bad_input', ...words, 'white space');
  }
  // the second document is not used
  const { dataset } = await read({ runPathOrId: jsonl('unused.jsonl', ['1', 'a'], ['1', 'b c']), depth: 1 });
  dataset.assertWritable();
});

test('two texts of one query are an error that names both places; the same text twice is none', async () => {
  const line = (docid: string, query?: string) =>
    `${JSON.stringify({ qid: '1', docid, text: 't', score: 1, query })}\n`;
  const same = file('same.jsonl', line('a') + line('b', 'one') + line('c', 'one'));
  assert.is((await read({ runPathOrId: same })).samples[0]!.query, 'one');
  const other = file('other.jsonl', line('a') + line('b', 'one') + line('c', 'one') + line('d', 'two'));
  await refuses(() => read({ runPathOrId: other }), 'bad_input', "other.jsonl:4: query '1'", 'other.jsonl:2');
});

test('leaving the samples early, then closing', async () => {
  const dataset = await RunDataset.open({ runPathOrId: golden('__made__golden-test.run') }, registry());
  for await (const sample of dataset.samples()) {
    assert.is(sample.queryId, 'q10');
    break;
  }
  await dataset.close();
});

test('samples of DL 2020 hash as those of lightning-ir: BM25 to depth 100, ColBERT (ties, gzip) to rank 8', async () => {
  const year = sharedPath('data/trec-dl-2020');
  const colbert = sharedPath('data/first-stage-runs/__colbert__msmarco-passage-trec-dl-2020-judged.run.gz');
  if (year === undefined || colbert === undefined) return;
  const datasets = new DatasetRegistry();
  const dataset = 'msmarco-passage/local-2020'; // as the reference: lightning-ir reads ir_datasets' own texts for its ids
  datasets.register(dataset, {
    docs: join(year, 'collection.tsv'),
    queries: join(year, 'queries.tsv'),
    qrels: join(year, 'qrels.txt'),
  });
  const { bm25, colbert: hashed } = reference.hashes;
  for (const [options, expected] of [
    [{ runPathOrId: join(year, 'runs/bm25.run'), dataset, depth: bm25.depth }, bm25],
    [{ runPathOrId: colbert, dataset, depth: hashed.depth }, hashed],
  ] as const) {
    const { samples, dataset: opened } = await read(options, datasets);
    assert.is(opened.countPairs(), 54 * options.depth);
    const digest = createHash('sha256');
    for (const { queryId, query, docIds, docs } of samples) {
      docIds.forEach((docId, i) => digest.update(`${queryId}\t${query}\t${docId}\t${docs[i]}\n`));
    }
    assert.is(digest.digest('hex'), expected.sha256);
  }
  const error = await refuses(
    () => read({ runPathOrId: colbert, dataset, depth: 100 }, datasets),
    'not_found',
    'judged.run.gz:',
    'of the 5400',
  );
  assert.ok(error.hint!.includes('depth of at most 8'), error.hint);
});

const made = golden('__made__golden-test.run');
const alone = (parts: object) => {
  const datasets = new DatasetRegistry();
  datasets.register('golden/test', parts);
  return datasets;
};
const bad: [
  name: string,
  options: RunDatasetOptions,
  datasets: DatasetRegistry,
  code: 'bad_input' | 'not_found' | 'unsupported',
  words: string[],
][] = [
  ['no such file or id', { runPathOrId: 'runs/none.run' }, registry(), 'not_found', ['runs/none.run', 'neither']],
  ['a folder', { runPathOrId: folder }, registry(), 'not_found', [folder, 'neither']],
  ['id without scoreddocs', { runPathOrId: 'golden/test' }, registry(), 'bad_input', ['golden/test', 'scoreddocs']],
  [
    'unknown inferred id',
    { runPathOrId: made },
    new DatasetRegistry(),
    'not_found',
    ['__made__golden-test.run', "'golden-test'"],
  ],
  ['unknown dataset option', { runPathOrId: made, dataset: 'x' }, registry(), 'not_found', ["'x'"]],
  [
    'no docs',
    { runPathOrId: made },
    alone({ queries: golden('queries.tsv') }),
    'bad_input',
    ['no docs', 'golden/test'],
  ],
  [
    'no queries',
    { runPathOrId: made },
    alone({ docs: golden('docs.tsv') }),
    'bad_input',
    ['no queries', 'golden/test'],
  ],
  ['missing qrels', { runPathOrId: made }, alone({ qrels: 'none.txt' }), 'not_found', ['none.txt']],
  ['missing docs', { runPathOrId: made }, alone({ docs: 'none.tsv' }), 'not_found', ['none.tsv']],
  [
    'unknown docid',
    { runPathOrId: file('docid.run', 'q2 0 d1 1 2 t\nq2 0 d77 2 1 t\n'), dataset: 'golden/test' },
    registry(),
    'not_found',
    ['docid.run:2', "'d77'", '1 of the 2'],
  ],
  [
    'unknown query',
    { runPathOrId: file('qid.run', 'q2 0 d1 1 2 t\nq8 0 d1 1 2 t\n'), dataset: 'golden/test' },
    alone({ docs: golden('docs.tsv'), queries: golden('queries.tsv') }),
    'not_found',
    ['qid.run:2', "'q8'", 'queries.tsv'],
  ],
  [
    'nothing judged',
    { runPathOrId: file('q7.run', 'q7 0 d1 1 2 t\n'), dataset: 'golden/test' },
    registry(),
    'bad_input',
    ['q7.run', 'without judgements'],
  ],
  ['sample larger than any topic', { runPathOrId: made, sampleSize: 50 }, registry(), 'bad_input', ['fewer than 50']],
  ['depth 0', { runPathOrId: made, depth: 0 }, registry(), 'bad_input', ['options.depth', 'received the number 0']],
  [
    'fractional sample size',
    { runPathOrId: made, sampleSize: 1.5 },
    registry(),
    'bad_input',
    ['options.sampleSize', '1.5'],
  ],
  ['random sampling', { runPathOrId: made, samplingStrategy: 'random' }, registry(), 'unsupported', ['random']],
  [
    'documents outside the run',
    { runPathOrId: made, addDocsNotInRanking: true },
    registry(),
    'unsupported',
    ['options.addDocsNotInRanking'],
  ],
];
for (const [name, options, datasets, code, words] of bad) {
  test(`refused: ${name}`, async () => {
    await refuses(() => read(options, datasets), code, ...words);
  });
}

test.run();
