import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sharedPath } from '../support/shared.js';
import { run } from '../support/cli.js';
import { inFolder, writeFiles } from '../support/files.js';

const test = suite('evaluate');

const dl2020 = sharedPath('data/trec-dl-2020');
const dl2021 = sharedPath('data/trec-dl-2021');
const colbert = sharedPath('data/first-stage-runs/__colbert__msmarco-passage-trec-dl-2020-judged.run.gz');

interface JsonRow {
  run: string;
  by_query?: Record<string, Record<string, number>>;
  [measure: string]: unknown;
}

if (dl2020 && dl2021 && colbert) {
  /** nDCG@10 of trec_eval, four digits. */
  const KNOWN: [qrels: string, runs: [run: string, value: string][]][] = [
    [
      join(dl2020, 'qrels.txt'),
      [
        [join(dl2020, 'runs/bm25.run'), '0.4796'],
        [join(dl2020, 'runs/splade-pp.run'), '0.7197'],
        [colbert, '0.7245'],
      ],
    ],
    [join(dl2021, 'qrels.txt'), [[join(dl2021, 'runs/bm25.run'), '0.4458']]],
  ];
  for (const [qrels, runs] of KNOWN) {
    test(`nDCG@10 of ${runs.length} known runs`, async () => {
      const argv = ['evaluate', '--qrels', qrels, ...runs.flatMap(([path]) => ['--run', path])];
      const table = await run(argv);
      assert.is(table.code, 0, table.stderr);
      const json = JSON.parse((await run([...argv, '--json'])).stdout) as JsonRow[];
      runs.forEach(([path, value], i) => {
        assert.match(table.stdout.split('\n')[i + 1] ?? '', new RegExp(` ${value}$`));
        assert.is(json[i]?.run, path);
        assert.is((json[i]?.['nDCG@10'] as number).toFixed(4), value);
      });
    });
  }
}

const FILES = {
  'test.qrels': 'q1 0 a 3\nq1 0 b 0\nq1 0 c 1\nq2 0 a 1\nq3 0 a 1\n',
  // q3 is judged and missing; b and c tie, and trec_eval puts the greater docid first.
  'first.run': 'q1 Q0 b 1 2.0 x\nq1 Q0 c 2 2.0 x\nq1 Q0 a 3 1.0 x\nq2 Q0 a 1 1.0 x\n',
  'second.run': 'q1 Q0 a 1 3.0 x\nq2 Q0 b 1 1.0 x\nq3 Q0 a 1 1.0 x\n',
};

test('--json has full precision, and by_query on request', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const argv = [
      'evaluate',
      '--qrels',
      'test.qrels',
      '--run',
      'first.run',
      'second.run',
      '--metrics',
      'nDCG@10',
      'RR',
    ];
    const { code, stdout, stderr } = await run([...argv, '--json', '--by-query'], { cwd: folder });
    assert.is(code, 0, stderr);
    // By hand: order c, b, a for q1, so DCG = 1 + 3 / log2(4) of 3 + 1 / log2(3); q2 is perfect, q3 missing.
    const q1 = (1 + 3 / 2) / (3 + 1 / Math.log2(3));
    const rows = JSON.parse(stdout) as JsonRow[];
    assert.equal(
      rows.map((row) => row.run),
      ['first.run', 'second.run'],
    );
    assert.ok(Math.abs((rows[0]?.['nDCG@10'] as number) - (q1 + 1) / 3) < 1e-15);
    assert.is(rows[0]?.['RR'], 2 / 3);
    assert.equal(Object.keys(rows[0]?.by_query ?? {}), ['q1', 'q2', 'q3']);
    assert.is(rows[0]?.by_query?.['q3']?.['RR'], 0);
    assert.match(stderr, /first\.run has 2 of 3 judged topics, the others count 0/);
  }));

test('--by-query shows a row for each topic and one for all', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const argv = ['evaluate', '--qrels', 'test.qrels', '--run', 'second.run', '--metrics', 'RR', '--by-query'];
    const { stdout } = await run(argv, { cwd: folder });
    assert.equal(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trim().split(/\s+/)),
      [
        ['run', 'topic', 'RR'],
        ['second.run', 'q1', '1.0000'],
        ['second.run', 'q2', '0.0000'],
        ['second.run', 'q3', '1.0000'],
        ['second.run', 'all', '0.6667'],
      ],
    );
  }));

const RECORD = '{"format": "rank-distillm run provenance", "version": 1}';

test('records of runs are left out with a note, so that --run runs/* works', () =>
  inFolder(async (folder) => {
    // a run in JSON may be called so, too
    await writeFiles(folder, {
      ...FILES,
      'first.run.json': RECORD,
      'own.run.json': '[{"query_id": "q1", "doc_id": "a", "score": 2}]',
    });
    const runs = ['first.run', 'first.run.json', 'own.run.json'];
    const { code, stdout, stderr } = await run(['evaluate', '--qrels', 'test.qrels', '--json', '--run', ...runs], {
      cwd: folder,
    });
    assert.is(code, 0, stderr);
    const rows = JSON.parse(stdout) as JsonRow[];
    assert.equal(
      rows.map((row) => row.run),
      ['first.run', 'own.run.json'],
    );
    assert.match(stderr, /^note: first\.run\.json is the record of a run and is skipped$/m);
  }));

test('only a record is an error', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, { ...FILES, 'first.run.json': RECORD });
    const argv = ['evaluate', '--qrels', 'test.qrels', '--run', 'first.run.json'];
    const { code, stderr } = await run(argv, { cwd: folder });
    assert.is(code, 2);
    assert.match(stderr, /^error: no run is given, only records of runs\nhint: Name the runs themselves/m);
  }));

test.run();
