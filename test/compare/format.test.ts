import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareRuns } from '../../src/compare/compare.js';
import { formatComparison } from '../../src/compare/format.js';

const test = suite('tables of a comparison');

const run = (good: number) =>
  Array.from({ length: 12 }, (_, i) => [
    { queryId: `q${i}`, docId: 'a', score: i < good ? 2 : 0 },
    { queryId: `q${i}`, docId: 'b', score: 1 },
  ]).flat();
const qrels = Array.from({ length: 12 }, (_, i) => ({ queryId: `q${i}`, docId: 'a', relevance: 1, iteration: '0' }));
const runs = new Map([
  ['bm_25', run(3)],
  ['a|b', run(11)],
  ['c&d', run(5)],
]);
const comparison = compareRuns([{ name: 'dl_20', qrels, runs }], { measures: ['P@1'], resamples: 1000 });
const lines = (format: 'text' | 'markdown' | 'latex' | 'csv') => formatComparison(comparison, format).split('\n');

test('Markdown: best bold, second underlined, significant starred, names escaped', () => {
  assert.equal(lines('markdown').slice(0, 5), [
    '| system | dl\\_20 |',
    '| --- | ---: |',
    '| bm\\_25 | 0.250 |',
    '| a\\|b | **0.917**\\* |',
    '| c&d | <u>0.417</u> |',
  ]);
});

test('LaTeX: numbers as the paper prints them, names escaped', () => {
  assert.equal(lines('latex').slice(3, -2), [
    'System & dl\\_20 \\\\',
    '\\midrule',
    'bm\\_25 & .250 \\\\',
    'a|b & \\textbf{.917}$^{*}$ \\\\',
    'c\\&d & \\underline{.417} \\\\',
  ]);
});

test('text has the means, then every test', () => {
  const text = lines('text');
  assert.match(text[2]!, /^a\|b +0\.9167\*$/);
  assert.match(text[4]!, /^\* Significant against bm_25: paired t-test, Holm's correction, p < 0\.05$/);
  assert.match(text[7]!, /^dl_20 +P@1 +a\|b +\+0\.6667 +\+0\.\d+ to \+0\.\d+ +8\/4\/0 /);
});

test('CSV has a row per column and system', () => {
  const [head, ...rows] = lines('csv').map((line) => line.split(','));
  assert.equal(
    rows.map((row) => row.length),
    [head!.length, head!.length, head!.length],
  );
  assert.equal(rows[1]!.slice(0, 7), ['dl_20', 'false', 'P@1', '12', 'a|b', '0.9166666666666666', 'bm_25']);
});

test.run();
