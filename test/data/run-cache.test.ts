import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTrainingDataset } from '../../src/data/open-dataset.js';
import { DatasetRegistry } from '../../src/data/registry.js';
import { RunFile, type RunFileOptions } from '../../src/data/run-file.js';
import { collect, golden } from '../support/data.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';
import { LOADER } from '../support/programs.js';

const test = suite('runs in the cache');
const { folder, file } = temporaryFiles();
const cache = join(folder, 'cache', 'rank-distillm', 'runs');
const CACHED = { cacheFrom: 0 };
const made = (run: string): string[] => readdirSync(cache).filter((name) => name.startsWith(`${run}-`));

/** All that a run tells. */
async function told(path: string, options: RunFileOptions) {
  await using run = await RunFile.open(path, options);
  const { size, hasRelevance, hasTexts, lineWithoutScore } = run;
  const places = (await run.places()).map(({ queryId, size: documents, line }) => [queryId, documents, line]);
  return { size, hasRelevance, hasTexts, lineWithoutScore, places, topics: await collect(run.stream()) };
}

const scattered = Array.from({ length: 60 }, (_, i) => `q${i % 7} Q0 d${i} ${i + 1} ${-i / 3} t\n`).join('');
const runs: [name: string, path: () => string, options?: RunFileOptions][] = [
  ['TREC', () => golden('__made__golden-test.run')],
  ['TREC, gzipped', () => golden('__gzipped__golden-test.run.gz')],
  ['TREC without ranks', () => golden('__made__golden-test.run'), { ignoreRanks: true }],
  ['scattered TREC', () => file('scattered.run', `# a comment\r\n${scattered}`)],
  ['scoreddocs', () => file('scoreddocs.tsv', 'q1\td2\nq1\td1\n'), { scoreddocs: true }],
  ['odd numbers', () => file('odd.run', 'q1 Q0 d1 -5 1e300 t\nq1 Q0 d2 7 -0 t\nq1 Q0 d3 1 .1 t\n')],
  ['jsonl', () => golden('with-texts.jsonl')],
  ['odd texts', () => file('odd.jsonl', '{"qid":"a\\tb\\n","docid":"\\ud800","score":1,"text":"\\t\\n\\u2028"}\n')],
  ['json', () => golden('columns.json')],
  ['Parquet', () => golden('with-texts-snappy.parquet')],
  ['Parquet with numbers as ids', () => golden('integer-ids.parquet')],
  ['Parquet without ranks', () => golden('without-ranks.parquet')],
  [
    'scattered JSON',
    () => file('scattered.json', JSON.stringify([1, 2, 1, 2].map((q, i) => ({ qid: q, docid: i, score: 9 - i })))),
  ],
];
for (const [name, path, options] of runs) {
  test(`the same as read from the file: ${name}`, async () => {
    const run = path();
    const expected = await told(run, { ...options });
    for (let round = 0; round < 2; round++) assert.equal(await told(run, { ...options, ...CACHED }), expected);
  });
}

test('a small run leaves nothing in the cache; a large one a copy and an index, made again when it changes', async () => {
  const path = file('changing.run', 'q1 Q0 d1 1 2 t\n');
  await told(path, { cacheFrom: 16 });
  assert.equal(made('changing.run'), []);
  const first = async (): Promise<string> => (await told(path, { cacheFrom: 15 })).topics[0]!.entries[0]!.docId;
  assert.is(await first(), 'd1');
  const before = made('changing.run');
  assert.equal(before.map((name) => name.replace(/^.*\./, '')).sort(), ['index', 'plain']);
  const { mtimeMs } = statSync(join(cache, before[0]!));
  assert.is(await first(), 'd1');
  assert.is(statSync(join(cache, before[0]!)).mtimeMs, mtimeMs, 'not built again');
  writeFileSync(path, 'q1 Q0 d2 1 2 t\n');
  utimesSync(path, 1, 1);
  assert.is(await first(), 'd2');
  renameSync(file('other.run', 'q1 Q0 d3 1 2 t\n'), path);
  utimesSync(path, 1, 1);
  assert.is(await first(), 'd3');
  assert.is(made('changing.run').length, 2, 'what is stale is removed');
});

test('bad runs are refused as without the cache, and leave nothing', async () => {
  const before = readdirSync(cache);
  const bad: [path: string, words: string[]][] = [
    [file('bad.run', 'q1 Q0 d1 1 2 t\nq1 Q0 d1 2 1 t\n'), ['bad.run:2', "'d1' occurs twice"]],
    [file('empty.run', ''), ['empty.run', 'empty']],
    [file('bad.json', '[{"qid": 1, "docid": 2, "score": "x"}]'), ['bad.json: record 1', 'score']],
    [file('twice.json', JSON.stringify([1, 2, 1].map((qid) => ({ qid, docid: 1, score: 1 })))), ['record 3', 'twice']],
    [golden('latin1-ids.parquet'), ['row', 'UTF-8']],
    [file('cut.parquet', readFileSync(golden('with-texts-none.parquet')).subarray(0, 900)), ['cannot read as Parquet']],
    [file('cut.run.gz', gzipSync(scattered).subarray(0, 60)), ['cut.run.gz', 'truncated']],
  ];
  for (const [path, words] of bad) await refuses(() => RunFile.open(path, CACHED), 'bad_input', ...words);
  assert.equal(readdirSync(cache), before);
});

test('a damaged copy is noticed, and made again; a damaged index, too', async () => {
  const path = file('damaged.run', scattered);
  const expected = await told(path, CACHED);
  for (const name of made('damaged.run')) {
    const whole = readFileSync(join(cache, name));
    for (let at = 0; at < whole.length; at += 211) {
      const damage = Buffer.from(whole);
      damage[at]! ^= 1 << (at % 8);
      writeFileSync(join(cache, name), damage);
      // a damaged index is built again at once, a damaged copy by the next call
      const after = await told(path, CACHED).catch((error: { code: string }) => error.code);
      if (after !== 'io') assert.equal(after, expected, `${name} at ${at}`);
      assert.equal(await told(path, CACHED), expected);
    }
    writeFileSync(join(cache, name), whole.subarray(0, 40));
    assert.equal(await told(path, CACHED), expected);
  }
});

test('what a survey of a run found is kept with it, for one use and one version of all files', async () => {
  const write = (queries: string): string => file('queries.tsv', queries);
  const registry = new DatasetRegistry();
  const docs = file('docs.tsv', Array.from({ length: 60 }, (_, i) => `d${i}\ttext ${i}\n`).join(''));
  const qrels = file('qrels.txt', 'q1 0 d1 1\nq1 0 d59 1\nq2 0 d2 1\nq3 0 d58 2\nq3 0 other 1\n');
  const queries = write(Array.from({ length: 7 }, (_, i) => `q${i}\tquery ${i}\n`).join(''));
  registry.register('kept', { docs, queries, qrels });
  const options = {
    runPathOrId: file('kept.run', scattered),
    dataset: 'kept',
    depth: 57,
    sampleSize: 3,
    samplingStrategy: 'single_relevant',
    targets: 'relevance',
    addDocsNotInRanking: true,
  } as const;
  const open = async (runsFrom: number, more: { sampleSize?: number } = {}) => {
    const context = { registry, seed: 1, indexing: { runsFrom } };
    await using dataset = await openTrainingDataset({ ...options, ...more }, context);
    const { warnings, sampleSize } = dataset;
    const samples = await collect(dataset.epoch({ epoch: 0, shuffle: true }));
    return { warnings, sampleSize, samples, facts: await dataset.identify!() };
  };
  const surveys = (): string[] => made('kept.run').filter((name) => name.endsWith('.survey'));
  const expected = await open(Infinity);
  assert.is(expected.samples.length, 3);
  assert.ok(expected.warnings.some((warning) => warning.includes('not added: 1')));
  assert.equal(surveys(), []);
  assert.equal(await open(0), expected);
  const [survey] = surveys() as [string];
  const { ino } = statSync(join(cache, survey));
  assert.equal(await open(0), expected);
  assert.is(statSync(join(cache, survey)).ino, ino, 'not made again');
  for (let at = 0, whole = readFileSync(join(cache, survey)); at < whole.length; at += 31) {
    const damage = Buffer.from(whole);
    damage[at]! ^= 1 << (at % 8);
    writeFileSync(join(cache, survey), at % 2 === 0 ? damage : whole.subarray(0, at));
    assert.equal(await open(0), expected, `damaged at ${at}`);
  }
  assert.is((await open(0, { sampleSize: 2 })).sampleSize, 2);
  assert.is(surveys().length, 2);
  write(Array.from({ length: 7 }, (_, i) => `q${i}\tother ${i}\n`).join(''));
  assert.ok((await open(0)).samples.every(({ query }) => query.startsWith('other')));
  for (const sampleSize of [1, 4, 5]) await open(0, { sampleSize });
  assert.is(surveys().length, 4, 'the oldest are removed');
  utimesSync(options.runPathOrId, 1, 1);
  await open(0);
  assert.is(surveys().length, 1);
});

test('killed while they build it, processes leave nothing that counts as finished', async () => {
  const killed = join(folder, 'killed');
  mkdirSync(killed);
  const lines = Array.from({ length: 40_000 }, (_, i) => `q${i >> 3} Q0 d${i} ${(i & 7) + 1} 1.5 t\n`).join('');
  const path = file('killed.run', lines);
  const program = `import { RunFile } from ${JSON.stringify(new URL('../../src/data/run-file.ts', import.meta.url).href)};
    const run = await RunFile.open(${JSON.stringify(path)}, { cacheFrom: 0, folder: ${JSON.stringify(killed)} });
    process.exit(0);`;
  let kills = 0;
  for (const delay of [0, 20, 60, 120]) {
    const before = readdirSync(killed).length;
    const child = spawn(process.execPath, ['--import', LOADER, '--input-type=module', '-e', program]);
    const closed = once(child, 'close');
    while (child.exitCode === null && readdirSync(killed).length === before) await wait(5);
    await wait(delay);
    child.kill('SIGKILL');
    await closed;
    if (child.signalCode === 'SIGKILL') kills += 1;
  }
  assert.ok(kills > 0);
  const { size, places } = await told(path, { cacheFrom: 0, folder: killed });
  assert.equal([size, places.length], [40_000, 5000]);
  // a process that was killed after the last rename leaves an empty folder, which the next build removes
  assert.is(readdirSync(killed).filter((name) => !name.startsWith('.')).length, 2);
});

test.run();
