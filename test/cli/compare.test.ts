import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Comparison } from '../../src/compare/compare.js';
import { run } from '../support/cli.js';
import { inFolder, writeFiles } from '../support/files.js';

const test = suite('rank-distillm compare');

const QRELS = Array.from({ length: 8 }, (_, i) => `q${i} 0 a 1\n`).join('');
/** Ranks the relevant document first in the first `good` topics; d is not among the first stage's top 2. */
const runText = (good: number, last = 'd') =>
  Array.from({ length: 8 }, (_, i) =>
    ['a', 'b', last]
      .map((id, rank) => `q${i} Q0 ${id} ${rank + 1} ${id === 'a' && i >= good ? 0 : 3 - rank} x\n`)
      .join(''),
  ).join('');

test('runs are named by their files, and the first one is the baseline', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, { 'qrels.txt': QRELS, 'bm25.run': runText(1), 'new.run': runText(7) });
    const argv = ['compare', '--qrels', 'qrels.txt', '--run', 'bm25.run', 'new.run', '--metrics', 'P@1'];
    const { code, stdout, stderr } = await run([...argv, '--format', 'json'], { cwd: folder });
    assert.is(code, 0, stderr);
    const { baseline, columns } = JSON.parse(stdout) as Comparison;
    assert.is(baseline, 'bm25');
    assert.equal(
      columns[0]!.values.map(({ system, mean }) => [system, mean]),
      [
        ['bm25', 1 / 8],
        ['new', 7 / 8],
      ],
    );
    const table = await run(argv, { cwd: folder });
    assert.match(table.stdout, /^new +0\.8750\*$/m);
  }));

test('one system is not compared with itself', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, { 'qrels.txt': QRELS, 'bm25.run': runText(1) });
    for (const runs of [['bm25.run'], ['bm25.run', 'bm25.run']]) {
      const argv = ['compare', '--qrels', 'qrels.txt', '--metrics', 'P@1', '--run', ...runs];
      const { code, stderr } = await run(argv, { cwd: folder });
      assert.is(code, 2);
      assert.match(stderr, /^error: compare needs two systems; there is only bm25/m);
    }
  }));

test("a folder in the layout of the paper's archive: BM25 cuts its re-rankers, corpora are averaged", () =>
  inFolder(async (folder) => {
    await writeFiles(folder, {
      'q19.txt': QRELS,
      'q20.txt': QRELS,
      'experiments/bm25/msmarco-passage-trec-dl-2019.run':
        'q0 Q0 b 1 2 x\nq0 Q0 c 2 1 x\n' + runText(8).replaceAll('q0 ', 'q9 '),
      'experiments/bm25/msmarco-passage-trec-dl-2020.run': runText(0),
      'experiments/mono/msmarco-passage-trec-dl-2019.run': runText(8),
      'experiments/mono/bm25_msmarco-passage-trec-dl-2020.run': runText(4),
      'experiments/mono/cranfield.run': runText(4),
      'experiments/mono/notes.txt': 'not a run',
    });
    const qrels = ['msmarco-passage/trec-dl-2019=q19.txt', 'msmarco-passage-trec-dl-2020=q20.txt'];
    const argv = [
      'compare',
      'experiments',
      '--qrels',
      ...qrels,
      '--metrics',
      'P@1',
      '--depth',
      '2',
      '--format',
      'json',
    ];
    const { code, stdout, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 0, stderr);
    assert.match(stderr, /note: cranfield is left out: no qrels are given for it \(--qrels cranfield=FILE\)/);
    const { columns } = JSON.parse(stdout) as Comparison;
    // of q0 in 2019 the first stage has b and c only
    assert.equal(
      columns.map(({ name, isGroup, values }) => [name, isGroup, values.at(-1)!.mean]),
      [
        ['msmarco-passage/trec-dl-2019', false, 7 / 8],
        ['msmarco-passage/trec-dl-2020', false, 4 / 8],
        ['msmarco-passage', true, 11 / 16],
      ],
    );
  }));

test('mistakes get one error with the fix', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, { 'qrels.txt': QRELS, 'bm25.run': runText(1), 'empty/x/readme.txt': '' });
    const cases: [string[], RegExp][] = [
      [['--qrels', 'qrels.txt'], /compare needs runs \(--run\) or a folder of experiments, not both/],
      [['--qrels', 'qrels.txt', '--run', 'bm25.run', '--baseline', 'best'], /no run is called best.*\n.*bm25/],
      [['empty', '--qrels', 'qrels.txt'], /empty: has no runs in folders of systems/],
      [['none', '--qrels', 'qrels.txt'], /none: no such file or folder/],
      [['empty', '--qrels', 'a', 'b'], /--qrels a: expected <dataset>=<file>/],
      [['--qrels', 'qrels.txt', '--run', 'bm25.run', '--alpha', '5'], /Expected a number from 0 to 1/],
      [['--qrels', 'qrels.txt', '--run', 'bm25.run', '--resamples', '2.5'], /Expected a whole number/],
    ];
    for (const [argv, message] of cases) {
      const { code, stderr } = await run(['compare', ...argv], { cwd: folder });
      assert.is(code, 2, stderr);
      assert.match(stderr, message);
    }
  }));

test.run();
