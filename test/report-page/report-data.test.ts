import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareRuns } from '../../src/compare/compare.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { buildReport, cutRankings, type ReportedDataset } from '../../src/report-page/build-report.js';
import { BUCKETS, type ReportData, type ReportRankings } from '../../src/report-page/report-data.js';
import { readTrainingLog } from '../../src/report-page/training-log.js';
import { writeReport } from '../../src/report-page/write-report.js';
import { inFolder } from '../support/files.js';

const test = suite('data of the report');

/** Inputs and ir_measures' values. */
interface Golden {
  qrels: Record<string, Record<string, number>>;
  run: Record<string, Record<string, number>>;
  mean: Record<string, number>;
  byQuery: Record<string, Record<string, number>>;
}
const path = fileURLToPath(new URL('../evaluate/golden/edge-cases.json', import.meta.url));
const golden = JSON.parse(await readFile(path, 'utf8')) as Golden;
const run = Object.entries(golden.run).flatMap(([queryId, documents]) =>
  Object.entries(documents).map(([docId, score]) => ({ queryId, docId, score })),
);

const edge: ReportedDataset = {
  name: 'edge',
  qrels: Object.entries(golden.qrels).flatMap(([queryId, documents]) =>
    Object.entries(documents).map(([docId, relevance]) => ({ queryId, docId, relevance, iteration: '0' })),
  ),
  runs: new Map([
    ['golden', run],
    ['reversed', run.map((entry) => ({ ...entry, score: -entry.score }))],
  ]),
};
const MEASURES = ['nDCG@10', 'AP', 'RR'];

test("the table is compare's, the topics' values are ir_measures', and the curve is evaluate's", () => {
  const { comparison, table, datasets } = buildReport([edge], { measures: MEASURES, resamples: 100 });
  const expected = compareRuns([edge], { measures: MEASURES, resamples: 100 });
  assert.equal(comparison, expected);
  const [{ systems, topics, figures }] = datasets as [(typeof datasets)[number]];
  const i = systems.indexOf('golden');
  const row = table.rows.find(({ system }) => system === 'golden')!;
  assert.equal(
    row.cells.map((cell) => cell!.text),
    MEASURES.map((measure) => golden.mean[measure]!.toFixed(4)),
  );
  for (const { id, values } of topics) {
    const measured = values[i] ?? [0, 0, 0];
    MEASURES.forEach((measure, j) => assert.ok(Math.abs(measured[j]! - golden.byQuery[id]![measure]!) < 1e-9, id));
  }
  for (const cutOff of [1, 5, 10, 100]) {
    const { mean } = evaluate(run, edge.qrels, [`nDCG@${cutOff}`]);
    assert.ok(Math.abs(figures[i]!.depth[cutOff - 1]! - mean[`nDCG@${cutOff}`]!) <= 5e-6);
  }
});

const entries = (documents: Record<string, number>, queryId = 'q') =>
  Object.entries(documents).map(([docId, score]) => ({ queryId, docId, score }));
const small: ReportedDataset = {
  name: 'small',
  qrels: [
    { queryId: 'q', docId: 'a', relevance: 2, iteration: '0' },
    { queryId: 'q', docId: 'b', relevance: 0, iteration: '0' },
    { queryId: 'missing', docId: 'a', relevance: 1, iteration: '0' },
  ],
  runs: new Map([
    ['first', entries({ b: 4, c: 3, a: 2, d: 1 })],
    ['new', [...entries({ a: 10, b: 5, c: 0, e: 2.5 }), ...entries({ a: 1 }, 'not judged')]],
  ]),
  texts: new Map([['a', 'text of a']]),
  queries: new Map([['q', 'the query']]),
};

test('shifts of ranks, scores by grade and rankings, counted by hand', () => {
  const { datasets, rankings } = buildReport([small], { measures: ['P@1'] });
  const [first, now] = datasets[0]!.figures;
  assert.is(first!.shifts, undefined);
  const { all, relevant } = now!.shifts!;
  const bucket = (rank: number) => BUCKETS.findIndex(([from, to]) => rank >= from && rank <= to);
  const gone = BUCKETS.length;
  const moved: [from: number, to: number][] = [
    [bucket(3), bucket(1)], // a
    [bucket(1), bucket(2)], // b
    [bucket(2), bucket(4)], // c
    [bucket(4), gone], // d
    [gone, bucket(3)], // e
  ];
  for (const [from, to] of moved) assert.is(all[from]![to], 1, `${from} to ${to}`);
  assert.is(
    all.flat().reduce((a, b) => a + b),
    moved.length,
  );
  assert.is(
    relevant.flat().reduce((a, b) => a + b),
    1,
  );
  assert.is(relevant[bucket(3)]![bucket(1)], 1);
  const { lowest, highest, grades } = now!.scores!;
  assert.equal([lowest, highest], [0, 10]);
  assert.equal(
    grades.map(({ grade, counts }) => [grade, counts.flatMap((count, bin) => Array<number>(count).fill(bin))]),
    [
      [null, [0, 10]],
      [0, [20]],
      [2, [39]],
    ],
  );
  const named = (shown: ReportRankings, system: number) => shown.ranked[0]![system]!.map((i) => shown.ids[i]);
  const [shown] = rankings as [ReportRankings];
  assert.equal(named(shown, 0), ['b', 'c', 'a', 'd']);
  assert.equal(named(shown, 1), ['a', 'b', 'e', 'c']);
  assert.equal(shown.ranked[1], [null, null]);
  assert.is(shown.texts[shown.ids.indexOf('a')], 'text of a');
  const cut = cutRankings(shown, 2);
  assert.equal([named(cut, 0), named(cut, 1)], [['b', 'c'], ['a', 'b']]); // prettier-ignore
  assert.equal(cut.scores[0], [[4, 3], [10, 5]]); // prettier-ignore
  const graded = cut.grades[0]!.flatMap((document, i) => (i % 2 ? [] : [[cut.ids[document], cut.grades[0]![i + 1]]]));
  assert.equal(graded.sort(), [['a', 2], ['b', 0]]); // prettier-ignore
});

test("a fit's log is parted into losses, learning rates and validation", async () => {
  const { series } = await readTrainingLog(fileURLToPath(new URL('../report/golden/metrics.csv', import.meta.url)));
  assert.equal(
    series.map(({ metric, kind, points }) => [metric, kind, points]),
    [
      ['RankNet', 'loss', [[0, 0.6931471805599453], [10, 1e-7]]], // prettier-ignore
      ['loss', 'loss', [[0, 0.6931471805599453], [10, 0.30000000000000004], [300, 123456789.125]]], // prettier-ignore
      ['lr-AdamW', 'learning rate', [[10, 3e-5], [300, 0]]], // prettier-ignore
      ['a,b "c"', 'loss', [[20, -2.5]]],
      ['msmarco-passage/trec-dl-2020/nDCG@10', 'validation', [[20, 0.7156312]]],
      ['Straße/nDCG@10', 'validation', [[70000, 1 / 3]]],
    ],
  );
});

/** A report's two blocks of data. */
async function written(
  datasets: readonly ReportedDataset[],
): Promise<{ html: string; data: ReportData; rankings: ReportRankings[] }> {
  return inFolder(async (folder) => {
    const { rankings, ...built } = buildReport(datasets, { resamples: 10 });
    const path = join(folder, 'report.html');
    const by = { at: '2026-01-01T00:00:00Z', by: 'rank-distillm' };
    await writeReport(
      path,
      { title: 'x </title>', written: by, ...built, training: [], sources: [], throughput: [] },
      rankings,
    );
    const html = await readFile(path, 'utf8');
    const block = (id: string) => new RegExp(`<script type="[^"]*" id="report-${id}">([^<]*)</script>`).exec(html)![1]!;
    const unpacked = gunzipSync(Buffer.from(block('rankings'), 'base64')).toString();
    return { html, data: JSON.parse(block('data')) as ReportData, rankings: JSON.parse(unpacked) as ReportRankings[] };
  });
}

test('no text ends the element that holds it, and all come back', async () => {
  const evil = '</script><img src=x onerror="alert(1)"><!-- \u2028 é';
  const dataset = { ...small, name: evil, texts: new Map([['a', evil]]), queries: new Map([['q', evil]]) };
  const { html, data, rankings } = await written([dataset]);
  assert.not.match(html, /<img/);
  assert.is(html.match(/<script/g)!.length, html.match(/<\/script>/g)!.length);
  assert.is(data.datasets[0]!.name, evil);
  assert.is(data.datasets[0]!.topics[0]!.text, evil);
  assert.ok(rankings[0]!.texts.includes(evil));
  assert.match(html, /<title>x &lt;\/title&gt;<\/title>/);
});

test('rankings too large for the page are cut, and the page knows', async () => {
  // texts that do not compress: 2,000 characters each
  let state = 1;
  const text = () =>
    Array.from({ length: 2000 }, () => String.fromCharCode(33 + ((state = (state * 48271) % 2147483647) % 90))).join(
      '',
    );
  const ids = Array.from({ length: 60 }, (_, i) => `d${i}`);
  const topics = Array.from({ length: 50 }, (_, i) => `q${i}`);
  const texts = new Map(topics.flatMap((topic) => ids.map((id) => [`${topic}-${id}`, text()])));
  const run = topics.flatMap((queryId) => ids.map((id, i) => ({ queryId, docId: `${queryId}-${id}`, score: -i })));
  const qrels = topics.map((queryId) => ({ queryId, docId: `${queryId}-d0`, relevance: 1, iteration: '0' }));
  const { html, data, rankings } = await written([{ name: 'large', qrels, runs: new Map([['only', run]]), texts }]);
  assert.ok(Buffer.byteLength(html) <= 5_000_000);
  assert.is(data.shownDepth, 20);
  assert.is(data.hasTexts, true);
  assert.is(rankings[0]!.ids.length, 20 * topics.length);
});

test.run();
