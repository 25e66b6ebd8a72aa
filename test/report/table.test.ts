import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatMetrics, formatTable } from '../../src/report/table.js';

const test = suite('table');

test('plain: numbers to the right, names to the left, no lines, no colour, no blanks at line ends', () => {
  const text = formatTable(
    [{ head: 'run' }, { head: 'pairs' }, { head: 'AP', digits: 2 }],
    [
      ['bm25', 5400, 0.5],
      ['a longer name', 7, undefined],
    ],
    { decorated: false },
  );
  assert.is(
    text,
    ['run            pairs    AP', 'bm25            5400  0.50', 'a longer name      7     -'].join('\n'),
  );
});

test('a column of names keeps its left side', () => {
  const text = formatTable(
    [{ head: 'n' }, { head: 'name' }],
    [
      [1, 'x'],
      [2, 'longer'],
    ],
    { decorated: false },
  );
  assert.is(text, ['n  name', '1  x', '2  longer'].join('\n'));
});

test('decorated: lines around the cells', () => {
  const text = formatTable([{ head: 'run' }], [['bm25']], { decorated: true });
  assert.match(text, /┌─+┐/);
  assert.match(text, /│ bm25 │/);
});

test('metrics: a column per measure of any row, four digits, a dash where a row lacks one', () => {
  const rows = [
    { label: 'bm25', values: { 'nDCG@10': 0.47963667, AP: 0.3026 } },
    { label: 'teacher', values: { 'nDCG@10': 1, RR: 0.25 } },
  ];
  assert.is(
    formatMetrics('run', rows, { decorated: false }),
    ['run      nDCG@10      AP      RR', 'bm25      0.4796  0.3026       -', 'teacher   1.0000       -  0.2500'].join(
      '\n',
    ),
  );
});

test('no rows: the heads alone', () => {
  assert.is(formatMetrics('run', [], { decorated: false }), 'run');
});

test.run();
