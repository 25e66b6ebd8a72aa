import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRun, RunFile, streamRunTopics } from '../../src/data/run-file.js';
import { sharedPath } from '../support/shared.js';
import { collect, golden } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';
import { LOADER } from '../support/programs.js';

const test = suite('run files');
const { file } = temporaryFiles();

test('TREC lines: any gaps, second column ignored, ids as they are', async () => {
  const path = file('v1.5.run', 'q1 Q0 d1 1 2.5 t\n  q1\t0\td\u00a02  2 -1e-3 t  \r\n007 Q0 007 0 +.5 t\n');
  assert.equal(await readRun(path), [
    { queryId: 'q1', docId: 'd1', rank: 1, score: 2.5 },
    { queryId: 'q1', docId: 'd\u00a02', rank: 2, score: -0.001 },
    { queryId: '007', docId: '007', rank: 0, score: 0.5 },
  ]);
});

test('the same run as .run, .csv, .tsv, gzipped and without a suffix', async () => {
  const text = readFileSync(golden('__made__golden-test.run'), 'utf8');
  const expected = text
    .trim()
    .split('\n')
    .map((line) => {
      const [queryId, , docId, rank, score] = line.split(' ');
      return { queryId, docId, rank: Number(rank), score: Number(score) };
    });
  assert.is(expected.length, 13);
  const paths = [
    golden('__made__golden-test.run'),
    golden('__gzipped__golden-test.run.gz'),
    file('a.csv', text),
    file('a.b.tsv', text),
    file('plain', text),
    file('gz.run', gzipSync(text)),
    file('crlf.run', `\uFEFF${text.replaceAll('\n', '\r\n')}`),
  ];
  for (const path of paths) assert.equal(await readRun(path), expected, path);
});

test('json, jsonl and Parquet (every codec, several row groups) hold the same records', async () => {
  const jsonl = await readRun(golden('with-texts.jsonl'));
  assert.is(jsonl.length, 13);
  assert.equal(jsonl[4], {
    queryId: 'q10',
    docId: 'd3',
    rank: 1,
    score: 0.1,
    relevance: 0,
    query: 'where is the tower',
    text: 'Straße, naïve café, 東京 and 🗼 stand for text outside ASCII.',
  });
  assert.equal(await readRun(golden('with-texts.json')), jsonl);
  assert.equal(await readRun(golden('columns.json')), jsonl);
  const withoutRelevance = jsonl.map(({ relevance: _, ...entry }) => entry);
  for (const codec of ['snappy', 'gzip', 'zstd', 'brotli', 'lz4', 'none']) {
    assert.equal(await readRun(golden(`with-texts-${codec}.parquet`)), withoutRelevance, codec);
  }
  const renamed = file('records.data', readFileSync(golden('with-texts.jsonl')));
  assert.equal(await readRun(renamed), jsonl);
  const lines = file('lines.json', gzipSync(readFileSync(golden('with-texts.jsonl'))));
  assert.equal(await readRun(lines), jsonl);
  const parquet = file('parquet.run', readFileSync(golden('with-texts-zstd.parquet')));
  assert.equal(await readRun(parquet), withoutRelevance);
});

test('all names of columns, ids as numbers, grades and iterations', async () => {
  const path = file(
    'names.jsonl',
    [
      '{"qid": 3, "docid": "a", "rank": "1", "score": "2.5", "Q0": 0, "relevance": -1, "tag": "x"}',
      '{"query_id": "3", "docno": 12, "rank": 2.0, "score": 1, "q0": "it", "relevance": null}',
    ].join('\n'),
  );
  assert.equal(await readRun(path), [
    { queryId: '3', docId: 'a', rank: 1, score: 2.5, iteration: '0', relevance: -1 },
    { queryId: '3', docId: '12', rank: 2, score: 1, iteration: 'it' },
  ]);
  const integers = await readRun(golden('integer-ids.parquet'));
  assert.equal(
    integers.map(({ queryId, docId }) => [queryId, docId]),
    [
      ['7', '1'],
      ['7', '9007199254740993'],
      ['8', '3'],
    ],
  );
});

test('ranks follow from the scores, ties in file order, where the file has none', async () => {
  const ranks = (await readRun(golden('without-ranks.parquet'))).map(({ docId, rank }) => [docId, rank]);
  assert.equal(ranks, [
    ['w', 3],
    ['x', 1],
    ['y', 4],
    ['z', 2],
  ]);
  const noScore = file(
    'no-score.jsonl',
    '{"qid": "1", "docid": "a", "rank": 2}\n{"qid": "1", "docid": "b", "rank": 1}\n',
  );
  assert.equal(
    (await readRun(noScore)).map(({ docId, score }) => [docId, score]),
    [
      ['a', -2],
      ['b', -1],
    ],
  );
});

test('topics come one by one in file order, and any topic can be read again', async () => {
  const run = await RunFile.open(golden('__gzipped__golden-test.run.gz'));
  assert.equal(
    (await run.places()).map(({ queryId, size, line }) => [queryId, size, line]),
    [
      ['q2', 4, 1],
      ['q10', 3, 5],
      ['q9', 5, 8],
      ['q7', 1, 13],
    ],
  );
  assert.is(run.size, 13);
  const q9 = await run.topic('q9');
  assert.equal(
    q9.entries.map((entry) => entry.docId),
    ['d12', 'd4', 'd6', 'd7', 'd9'],
  );
  assert.equal(q9.lines, [8, 9, 10, 11, 12]);
  assert.equal(
    (await collect(run.stream())).map((topic) => topic.queryId),
    ['q2', 'q10', 'q9', 'q7'],
  );
  await run.close();
});

test('scattered topics are put together', async () => {
  const path = file('scattered.run', 'a 0 x 1 3 t\nb 0 x 1 3 t\na 0 y 2 2 t\nb 0 z 2 2 t\na 0 z 3 1 t\n');
  const topics = await collect(streamRunTopics(path));
  assert.equal(
    topics.map(({ queryId, entries, lines }) => [queryId, entries.map((entry) => entry.docId).join(''), lines]),
    [
      ['a', 'xyz', [1, 3, 5]],
      ['b', 'xz', [2, 4]],
    ],
  );
  await refuses(
    () => readRun(file('twice.run', 'a 0 x 1 3 t\nb 0 x 1 3 t\na 0 x 2 2 t\n')),
    'bad_input',
    'twice.run:3',
    "'x'",
    'twice.run:1',
  );
});

test('scattered topics of a run too large to be grouped at once', async () => {
  const TOPICS = 50;
  const LINES = 40_000; // about 25 MB as records, more than is held at a time
  const text = 'a passage '.repeat(60);
  const record = (i: number) => ({ qid: `q${(i * 7) % TOPICS}`, docid: `d${i}`, rank: i + 1, score: -i, text });
  const path = file('large.jsonl', Array.from({ length: LINES }, (_, i) => `${JSON.stringify(record(i))}\n`).join(''));
  const topics = await collect(streamRunTopics(path));
  assert.equal(
    topics.map((topic) => topic.queryId),
    Array.from({ length: TOPICS }, (_, i) => record(i).qid),
  );
  for (const { queryId, entries, lines } of topics) {
    assert.is(entries.length, LINES / TOPICS);
    assert.ok(
      entries.every(
        (entry, i) => entry.rank === lines[i] && record(entry.rank - 1).qid === queryId && entry.text === text,
      ),
    );
    assert.ok(lines.every((line, i) => i === 0 || line > lines[i - 1]!));
  }
});

test('every line of the ColBERT run of DL 2020, ties and all', async () => {
  const path = sharedPath('data/first-stage-runs/__colbert__msmarco-passage-trec-dl-2020-judged.run.gz');
  if (path === undefined) return;
  const expected = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  const topics = await collect(streamRunTopics(path));
  assert.is(topics.length, 54);
  const lines = topics
    .flatMap(({ entries }) => entries)
    .map((e) => `${e.queryId}\t0\t${e.docId}\t${e.rank}\t${e.score}`);
  assert.is(lines.length, 27_000);
  assert.equal(
    lines,
    expected.map((line) => line.split('\t').slice(0, 4).join('\t') + `\t${Number(line.split('\t')[4])}`),
  );
});

/** What trec_eval 10 and pandas make of the same lines. */
const plain = [
  ['q1', 'd1', 1, 3],
  ['q1', 'd2', 2, 2],
  ['q2', 'd1', 1, 9.5],
];
const written: [name: string, content: string][] = [
  ['ranks as pandas prints them', 'q1 Q0 d1 1.0 3.0 t\nq1 Q0 d2 2.0 2.0 t\nq2 Q0 d1 1.0 9.5 t\n'],
  ['tags of several words', 'q1 Q0 d1 1 3 BM25 + RM3 (k1=0.9)\nq1 Q0 d2 2 2 a b\nq2 Q0 d1 1 9.5 c 1\n'],
  ['no tag', 'q1 Q0 d1 1 3\nq1 0 d2 2 2\nq2 q0 d1 1 9.5\n'],
  ['comments', '# run 7 of my script is here\nq1 Q0 d1 1 3 t\n#\nq1 Q0 d2 2 2 t\n#q1 d3\nq2 Q0 d1 1 9.5 t\n# end\n'],
  ['tabs, spaces at the ends', ' q1\tQ0\td1\t1\t3\tt \nq1  Q0  d2  2  2  t\t\nq2 Q0 d1 1 9.5 t\n'],
];
for (const [name, content] of written) {
  test(`runs as people write them: ${name}`, async () => {
    const entries = await readRun(file('written.run', content));
    assert.equal(
      entries.map(({ queryId, docId, rank, score }) => [queryId, docId, rank, score]),
      plain,
    );
  });
}

test('a topic whose id begins with # is not a comment; a no-break space is part of an id', async () => {
  const entries = await readRun(file('hash.run', '#1 Q0 d\u00a01 1 3 t\n#2\u00a0 0 d2 1 2 t\n'));
  assert.equal(
    entries.map(({ queryId, docId }) => [queryId, docId]),
    [
      ['#1', 'd\u00a01'],
      ['#2\u00a0', 'd2'],
    ],
  );
});

test('ranks that are ignored may be anything, and follow from the scores', async () => {
  const path = file('ranks.run', 'q1 Q0 d1 - 1.5 t\nq1 Q0 d2 NaN 2.5 t\nq1 Q0 d3 7.5 3 t\n');
  const entries = await readRun(path, { ignoreRanks: true });
  assert.equal(
    entries.map(({ docId, rank }) => [docId, rank]),
    [
      ['d1', 3],
      ['d2', 2],
      ['d3', 1],
    ],
  );
  await refuses(() => readRun(path), 'bad_input', 'ranks.run:1', "rank must be a whole number, found '-'");
});

test('an id with a space is told even where ranks are ignored', async () => {
  const ignoreRanks = true;
  for (const [line, ...words] of [
    ['q1 Q0 new york 1 2.5', 'rank', "'york'"],
    ['q1 Q0 new york 1 2.5 t', 'found 7'],
    ['what is Q0 d1 1 2.5 t', 'found 7'],
  ] as const) {
    await refuses(
      () => readRun(file('spaces.run', `${line}\n`), { ignoreRanks }),
      'bad_input',
      'spaces.run:1',
      ...words,
    );
  }
});

const good = 'q1 Q0 d1 1 2.5 t\n';
const bad: [name: string, content: string | Uint8Array, words: string[]][] = [
  ['empty.run', '', ['empty.run', 'empty']],
  ['blank.run', '\n \n', ['blank.run', 'empty']],
  ['empty.jsonl', '', ['empty.jsonl', 'empty']],
  ['five.run', `${good}q1 Q0 d2 2 1.5\n`, ['five.run:2', '6 columns', 'found 5']],
  ['seven.run', `${good}q1 Q0 d 2 2 1.5 t\n`, ['seven.run:2', 'found 7']],
  ['commas.csv', 'q1,Q0,d1,1,2.5,t\n', ['commas.csv:1', 'found 1']],
  ['qrels.run', '1 0 d1 2\n', ['qrels.run:1', 'found 4']],
  ['header.tsv', `qid Q0 docid rank score tag\n${good}`, ['header.tsv:1', "'rank'"]],
  ['score.run', `${good}q1 Q0 d2 2 high t\n`, ['score.run:2', 'score', "'high'"]],
  ['nan.run', `${good}q1 Q0 d2 2 nan t\n`, ['nan.run:2', 'finite', "'nan'"]],
  ['infinite.run', 'q1 Q0 d2 2 1e999 t\n', ['infinite.run:1', 'finite']],
  ['hex.run', 'q1 Q0 d2 2 0x10 t\n', ['hex.run:1', "'0x10'"]],
  ['untagged.run', 'q1 mine d1 1 2.5\n', ['untagged.run:1', 'found 5']],
  ['two.tsv', 'q1\td1\n', ['two.tsv:1', 'found 2']],
  ['comments.run', '# one\n#two\n', ['comments.run', 'empty']],
  ['rank.run', 'q1 Q0 d2 1.5 2 t\n', ['rank.run:1', 'rank', "'1.5'"]],
  ['duplicate.run', `${good}q1 Q0 d2 2 2 t\nq1 Q0 d1 3 1 t\n`, ['duplicate.run:3', "'d1'", 'duplicate.run:1']],
  ['latin1.run', Buffer.from(`${good}q1 Q0 d\xe9 2 1 t\n`, 'latin1'), ['latin1.run:2', 'UTF-8']],
  ['utf16.run', Buffer.from(`\uFEFF${good}`, 'utf16le'), ['utf16.run:1', 'UTF-16']],
  ['utf16.json', Buffer.from('\uFEFF[{"qid": 1}]', 'utf16le'), ['utf16.json', 'UTF-16']],
  ['returns.run', `${good}${good}`.replaceAll('\n', '\r'), ['returns.run:1', 'carriage returns alone']],
  ['cut.jsonl', '{"qid": "1", "docid": "a", "rank": 1}\n{"qid": "1", "doc', ['cut.jsonl:2', 'JSON']],
  ['comma.json', '[{"qid": "1",\n\n"docid": "a"\n"rank": 1}]', ['comma.json:4', 'not valid JSON']],
  ['quoted.json', '[{"qid": "1",\n"docid": x\n}]', ['quoted.json', "token 'x'", '\\n"docid": x']],
  ['return.jsonl', '{"qid": x\r}\n', ['return.jsonl:1', 'x\\r}']],
  ['list.jsonl', '[1, 2]\n', ['list.jsonl:1', 'JSON object']],
  ['nameless.jsonl', '{"query": "1", "docid": "a", "rank": 1}\n', ['nameless.jsonl:1', 'query_id or qid']],
  ['both.jsonl', '{"qid": "1", "docid": "a", "docno": "b", "rank": 1}\n', ['both.jsonl:1', 'docid and docno']],
  ['unranked.jsonl', '{"qid": "1", "docid": "a"}\n', ['unranked.jsonl:1', 'neither rank nor score']],
  [
    'half.jsonl',
    '{"qid": 1, "docid": 1, "rank": 1}\n{"qid": 1, "docid": 2, "score": 1}\n',
    ['half.jsonl:2', 'no rank'],
  ],
  ['large.jsonl', '{"qid": 90071992547409931, "docid": "a", "rank": 1}\n', ['large.jsonl:1', 'exactly']],
  ['text.jsonl', '{"qid": 1, "docid": 1, "rank": 1, "text": 5}\n', ['text.jsonl:1', 'text', 'found 5']],
  ['null.json', '[{"qid": null, "docid": 1, "rank": 1}]', ['null.json: record 1', 'query id', 'null']],
  ['cut.json', '[{"qid": 1, "docid": 1, "rank": 1},', ['cut.json', 'JSON']],
  ['numbers.json', '[1]', ['numbers.json: record 1', 'object']],
  ['uneven.json', '{"qid": {"0": 1}, "docid": {"0": 1, "1": 2}}', ['uneven.json', "'docid'"]],
  ['text.parquet', good, ['text.parquet', 'PAR1']],
  ['binary.parquet', readFileSync(golden('binary-ids.parquet')), ['row 1', 'document id', 'binary', 'hex 6434']],
  ['latin1.parquet', readFileSync(golden('latin1-ids.parquet')), ['row 3', 'query id', 'not UTF-8', 'hex 71e9']],
  ['cut.parquet', readFileSync(golden('with-texts-snappy.parquet')).subarray(0, 2000), ['cut.parquet', 'Parquet']],
];
for (const [name, content, words] of bad) {
  test(`refused: ${name}`, async () => {
    await refuses(() => readRun(file(name, content)), 'bad_input', ...words);
  });
}

test('a file that shrinks between the check and a topic is noticed', async () => {
  const path = file('shrinks.run', `${good}q2 Q0 d1 1 2.5 t\n`);
  const run = await RunFile.open(path);
  file('shrinks.run', good);
  await refuses(() => run.topic('q2'), 'io', 'shrinks.run', 'changed');
  await run.close();
});

test('a run that is edited in place after it was checked is refused, though it looks like one', async () => {
  const path = file('edited.run', 'q1 Q0 d1 1 2 t\nq1 Q0 d2 2 1 t\n');
  await using run = await RunFile.open(path);
  assert.is((await run.topic('q1')).entries.length, 2);
  writeFileSync(path, 'q1 Q0 d8 1 2 t\nq1 Q0 d9 2 1 t\n');
  utimesSync(path, 1, 1);
  await refuses(() => run.topic('q1'), 'io', 'edited.run', 'changed');
});

test('rows that a Parquet file claims and does not have are refused', async () => {
  const bytes = readFileSync(golden('with-texts-none.parquet'));
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  // thrift: a field of type i64 holds the number of rows as a zigzag varint, first for the whole file
  const at = bytes.indexOf(0x16, footer);
  for (const claim of [0, 126]) {
    const changed = Buffer.from(bytes);
    assert.is.not(changed[at + 1], claim);
    changed[at + 1] = claim;
    await refuses(
      () => readRun(file('claims.parquet', changed)),
      'bad_input',
      'claims.parquet',
      `claims ${claim / 2} rows`,
    );
  }
});

test('the process that decodes a run ends when the one it works for does, however busy it is', async () => {
  const record = '{"qid": "q", "docid": "d", "score": 1}';
  const path = file('seconds.json', `[${`${record},`.repeat(1_000_000)}${record}]`);
  const program = fileURLToPath(new URL('../../src/data/record-process-main.ts', import.meta.url));
  const decoder = spawn(process.execPath, ['--import', LOADER, program, 'topics', path, 'json'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  decoder.stdin.destroy(); // as the system does it
  assert.equal(await once(decoder, 'exit'), [null, 'SIGKILL']);
});

test.run();
