import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readQrels } from '../../src/data/formats/qrels.js';
import { sharedPath } from '../support/shared.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';

const test = suite('qrels');
const { file } = temporaryFiles();
const a = { queryId: 'q1', docId: 'd1', relevance: 2, iteration: '0' };
const b = { queryId: 'q1', docId: 'd2', relevance: -1, iteration: '0' };

test('four columns, three, and headers in any order, separated by spaces or tabs', async () => {
  const contents: [string, string][] = [
    ['trec.txt', 'q1 0 d1 2\nq1\t0\td2  -1\r\n'],
    ['three.qrels', 'q1 d1 2\nq1 d2 -1\n'],
    ['beir.tsv', 'query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t-1\n'],
    ['turned.tsv', '\uFEFFrelevance\tdoc_id\tquery_id\n2\td1\tq1\n-1\td2\tq1\n'],
    ['four.tsv', 'query_id\titeration\tdoc_id\trelevance\nq1\t0\td1\t2\nq1\t0\td2\t-1\n'],
  ];
  for (const [name, content] of contents) {
    assert.equal(await readQrels(file(name, content)), [a, b], name);
    assert.equal(await readQrels(file(`${name}.gz`, gzipSync(content))), [a, b], `${name}.gz`);
  }
});

test('two columns name the relevant documents; iterations are kept; a repeated line counts once', async () => {
  assert.equal(await readQrels(file('two.tsv', 'q1\td1\nq1\td2\n')), [
    { ...a, relevance: 1 },
    { ...b, relevance: 1 },
  ]);
  assert.equal(await readQrels(file('subtopics.txt', 'q1 1 d1 2\nq1 2 d1 0\nq1 1 d1 2\n')), [
    { ...a, iteration: '1' },
    { ...a, iteration: '2', relevance: 0 },
  ]);
});

test('all judgements of DL 2020', async () => {
  const path = sharedPath('data/trec-dl-2020/qrels.txt');
  if (path === undefined) return;
  const qrels = await readQrels(path);
  assert.is(qrels.length, 11_386);
  assert.is(
    qrels.map((q) => `${q.queryId} ${q.iteration} ${q.docId} ${q.relevance}\n`).join(''),
    readFileSync(path, 'utf8'),
  );
});

test('comment lines are left out as in trec_eval 10; a no-break space is part of an id', async () => {
  const content = '# topics of 2020\nq1 0 d1 2\n#\n#topics of DL 2020\n#q1 0 d3\nq1 0 d2 -1\n#1 0 d\u00a01 1\n';
  assert.equal(await readQrels(file('comments.qrels', content)), [
    a,
    b,
    { queryId: '#1', docId: 'd\u00a01', relevance: 1, iteration: '0' },
  ]);
  assert.equal(await readQrels(file('two.qrels', 'q1 d1\u00a0\n')), [{ ...a, docId: 'd1\u00a0', relevance: 1 }]);
});

const bad: [name: string, content: string, words: string[]][] = [
  ['empty.qrels', '', ['empty.qrels', 'no judgements']],
  ['header-only.tsv', 'query-id\tcorpus-id\tscore\n', ['header-only.tsv', 'no judgements']],
  ['run.txt', 'q1 Q0 d1 1 2.5 t\n', ['run.txt:1', 'found 6']],
  ['one.txt', 'q1\n', ['one.txt:1', 'found 1']],
  ['uneven.txt', 'q1 0 d1 1\nq1 d2 1\n', ['uneven.txt:2', 'expected 4', 'found 3']],
  ['grade.txt', 'q1 0 d1 1\nq1 0 d2 good\n', ['grade.txt:2', "'good'"]],
  ['half.txt', 'q1 0 d1 1.5\n', ['half.txt:1', "'1.5'"]],
  ['header.tsv', 'Frage\tText\tNote\nq1\td1\t1\n', ['header.tsv:1', "'Note'"]],
  ['twice.tsv', 'qid\tquery_id\tscore\n1\t2\t3\n', ['twice.tsv:1', 'header']],
  ['contradiction.txt', 'q1 0 d1 1\nq1 0 d2 0\nq1 0 d1 2\n', ['contradiction.txt:3', "'d1'", 'line 1']],
];
for (const [name, content, words] of bad) {
  test(`refused: ${name}`, async () => {
    await refuses(() => readQrels(file(name, content)), 'bad_input', ...words);
  });
}

test.run();
