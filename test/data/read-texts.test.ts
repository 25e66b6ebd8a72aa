import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../scripts/demo/random.js';
import { documentLines, readDocuments, readQueries, textRecord } from '../../src/data/formats/texts.js';
import { splitLines } from '../../src/io/lines.js';
import { collect, golden } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { pipe, temporaryFiles } from '../support/files.js';

const test = suite('queries and documents');
const { folder, file } = temporaryFiles();
const documents = (path: string) => collect(readDocuments(path));

test('documents as TSV, as BEIR, as Pyserini and as lightning-ir name them', async () => {
  assert.equal(await documents(file('d.tsv', 'd1\t two  words \nd2\t\n')), [
    { id: 'd1', text: ' two  words ' },
    { id: 'd2', text: '' },
  ]);
  // ir_datasets, datasets/beir.py: default_text is f'{title} {text}', also for an empty title
  const beir = [
    '{"_id": "1", "title": "A title", "text": "A text.", "metadata": {}}',
    '{"_id": "2", "title": "", "text": "B"}',
  ];
  assert.equal(await documents(file('corpus.jsonl', beir.join('\n'))), [
    { id: '1', text: 'A title A text.' },
    { id: '2', text: ' B' },
  ]);
  const pyserini = file('pyserini.json', '{"id": "1", "title": "T", "contents": "T\\nbody"}\n');
  assert.equal(await documents(pyserini), [{ id: '1', text: 'T\nbody' }]);
  // lightning-ir 0.0.6 reads such files as ir_datasets' GenericDoc, whose default_text is `text`
  const ours = file('ours', '{"doc_id": 5, "title": "T", "text": "t"}\n');
  assert.equal(await documents(ours), [{ id: '5', text: 't' }]);
});

test('queries come from a pipe, too, its format told from what it holds', async () => {
  for (const [name, content] of [
    ['tsv', '1\ta\n'],
    ['gz', gzipSync('{"_id": "1", "text": "a"}\n')],
  ] as const) {
    assert.equal([...(await readQueries(pipe(folder, name, content, true)))], [['1', 'a']]);
  }
});

test('queries from every format, whole or only those wanted', async () => {
  const expected = readFileSync(golden('queries.tsv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t'));
  assert.is(expected.length, 4);
  const jsonl = (key: string, text: string) =>
    expected.map(([id, query]) => JSON.stringify({ [key]: id, [text]: query })).join('\n');
  const paths = [
    golden('queries.tsv'),
    file('q.tsv.gz', gzipSync(readFileSync(golden('queries.tsv')))),
    file('q.v2.jsonl', jsonl('_id', 'text')),
    file('q.ndjson', jsonl('query_id', 'text')),
    file('q', jsonl('qid', 'query')),
    file('q.json', jsonl('id', 'contents')),
  ];
  for (const path of paths) assert.equal([...(await readQueries(path))], expected, path);
  assert.equal([...(await readQueries(golden('queries.tsv'), new Set(['q9', 'q0'])))], [['q9', 'what is a café']]);
});

test('the same query twice is fine, with another text it is not', async () => {
  assert.equal([...(await readQueries(file('same.tsv', '1\ta\n1\ta\n')))], [['1', 'a']]);
  await refuses(() => readQueries(file('other.tsv', '1\ta\n1\tb\n')), 'bad_input', 'other.tsv:2', "'1'");
});

const bad: [name: string, content: string | Uint8Array, words: string[]][] = [
  ['empty.tsv', '', ['empty.tsv', 'no documents']],
  ['one.tsv', 'd1\ta\nno tab here\n', ['one.tsv:2', '2 columns', 'found 1']],
  ['three.tsv', 'd1\ta\tb\n', ['three.tsv:1', 'found 3']],
  ['nameless.tsv', '\ta text\n', ['nameless.tsv:1', 'id is empty']],
  ['cut.jsonl', '{"_id": "1", "text": "a"}\n{"_id": "2", "te', ['cut.jsonl:2', 'JSON']],
  ['no-id.jsonl', '{"key": "1", "text": "a"}\n', ['no-id.jsonl:1', 'doc_id, _id, id']],
  ['no-text.jsonl', '{"_id": "1", "title": "a"}\n', ['no-text.jsonl:1', 'text, contents']],
  ['null.jsonl', '{"_id": "1", "text": null}\n', ['null.jsonl:1', "the document's text is null"]],
  ['null-title.jsonl', '{"_id": "1", "title": "a", "contents": null}\n', ['null-title.jsonl:1', 'contents is null']],
  ['number.jsonl', '{"_id": "1", "text": 5}\n', ['number.jsonl:1', 'text is 5, which is not a text']],
  ['id.jsonl', '{"_id": ["1"], "text": "a"}\n', ['id.jsonl:1', '_id must be']],
  ['list.json', '[{"_id": "1", "text": "a"}]', ['list.json', 'JSON list']],
  ['latin1.tsv', Buffer.from('d1\tcaf\xe9\n', 'latin1'), ['latin1.tsv:1', 'UTF-8']],
];
for (const [name, content, words] of bad) {
  test(`refused: ${name}`, async () => {
    await refuses(() => documents(file(name, content)), 'bad_input', ...words);
  });
}

test('an index finds the documents that a reader reads, and refuses the same lines', () => {
  const random = new Random(7);
  const parts = ['d1', '7', 'é', '\t', '\t', ' ', '\u00a0', '\r', '\n', '\n', '\r\n', '\uFEFF', 'a text'];
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: random.below(14) }, () => random.pick(parts)).join('');
    const valid = Array.from({ length: random.below(4) }, (_, i) => `d${i}\t${random.pick(parts).trim()}\r\n`).join('');
    const block = Buffer.from(random.chance(0.5) ? valid + text : text + valid);
    const place = { name: 'docs.tsv', offset: random.pick([0, 5]), number: 3 };
    const read = (): unknown => {
      const { lines, count } = splitLines(block, place);
      const documents = lines.map(({ text: line, number, offset, length }) => {
        return { id: textRecord(line, 'tsv', 'document', 'docs.tsv', number).id, number, offset, length };
      });
      return { lines: documents, count };
    };
    const outcome = (of: () => unknown): unknown => {
      try {
        return of();
      } catch (error) {
        refused += 1;
        return (error as Error).message;
      }
    };
    assert.equal(
      outcome(() => documentLines('tsv')(block, place)),
      outcome(read),
      JSON.stringify(block.toString()),
    );
  }
  assert.ok(refused > 500 && refused < 5000, String(refused));
});

test('Parquet collections are refused by name', async () => {
  await refuses(() => documents(golden('with-texts-none.parquet')), 'unsupported', 'Parquet');
});

test.run();
