import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDataset } from '../../src/compare/read-dataset.js';
import type { ReportData } from '../../src/report-page/report-data.js';
import { report } from '../../src/report-page/report.js';
import { run } from '../support/cli.js';
import { writeCollection, writeTrainingCollection } from '../support/collections.js';
import { refuses } from '../support/errors.js';
import { inFolder, useOwnCache, writeFiles } from '../support/files.js';

const test = suite('report');
useOwnCache(test);

/** The data of the page that a command line wrote, which must end well. */
async function reported(folder: string, argv: string[]): Promise<ReportData> {
  const { code, stderr } = await run(argv, { cwd: folder });
  assert.is(code, 0, stderr);
  assert.match(stderr, /wrote the report page\.html; open it in a browser\n$/);
  return dataOf(await readFile(join(folder, 'page.html'), 'utf8'));
}

const dataOf = (html: string): ReportData => JSON.parse(/id="report-data">([^<]*)</.exec(html)![1]!) as ReportData;

const FILES = {
  'tiny/qrels.txt': 'q1 0 a 1\nq2 0 b 2\n',
  'one.run': 'q1 Q0 b 1 2 x\nq1 Q0 a 2 1 x\nq2 Q0 b 1 2 x\n',
  'two.run': 'q1 Q0 a 1 2 x\nq2 Q0 b 1 2 x\n',
  'queries.tsv': "q1\twhat is 'a'\nq2\twhat is b\n",
  'docs.tsv': 'a\ttext of a\nb\ttext of b\n',
  'metrics.csv': 'loss,step\n2.5,10\n1.5,20\n',
};
const RUNS = ['--qrels', 'tiny/qrels.txt', '--run', 'one.run', 'two.run', '--metrics', 'RR'];

test('runs and a log of training, with texts and the files that made it', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const texts = ['--queries', 'queries.tsv', '--docs', 'docs.tsv', '--training', 'metrics.csv'];
    const data = await reported(folder, ['report', ...RUNS, ...texts, '--output', 'page.html']);
    assert.equal(data.table!.heads, ['RR']);
    assert.equal(
      data.table!.rows.map(({ system, cells }) => [system, cells[0]!.text, cells[0]!.mark]),
      [
        ['one', '0.7500', 'second'],
        ['two', '1.0000', 'best'],
      ],
    );
    assert.is(data.datasets[0]!.name, 'tiny');
    assert.equal(data.datasets[0]!.topics[0], { id: 'q1', text: "what is 'a'", values: [[0.5], [1]] });
    assert.equal(data.training[0]!.series[0]!.points, [[10, 2.5], [20, 1.5]]); // prettier-ignore
    assert.equal(data.sources.map(({ what }) => what).sort(), [
      'documents',
      'qrels',
      'queries',
      'run',
      'run',
      'training log',
    ]);
    assert.is(data.written.command, `rank-distillm report ${[...RUNS, ...texts].join(' ')} --output page.html`);
    assert.is(data.hasTexts, true);
  }));

test('evaluate, compare and training alone write the same page', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    for (const verb of ['evaluate', 'compare']) {
      const data = await reported(folder, [verb, ...RUNS, '--report', 'page.html']);
      assert.equal(data.comparison!.systems, ['one', 'two'], verb);
    }
    const data = await reported(folder, ['report', '--training', 'metrics.csv', '--output', 'page.html']);
    assert.is(data.comparison, undefined);
    assert.is(data.training.length, 1);
  }));

test('the heading names the dataset: by its id, else by the files; --title is another', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, { ...FILES, 'mine/qrels.test.txt': FILES['tiny/qrels.txt'] });
    const names = { 'tiny/qrels.txt': 'tiny', 'mine/qrels.test.txt': 'mine test' };
    for (const [qrels, name] of Object.entries(names)) {
      const argv = ['report', '--qrels', qrels, '--run', 'one.run', '--output', 'page.html'];
      assert.is((await reported(folder, argv)).title, `Rankings of ${name}`);
      assert.is((await reported(folder, [...argv, '--title', 'My <page>'])).title, 'My <page>');
    }
    const byId = '__bm25__msmarco-passage-trec-dl-2020-judged.run';
    await writeFiles(folder, { [byId]: FILES['one.run'] });
    const argv = ['evaluate', '--qrels', 'tiny/qrels.txt', '--run', byId, '--report', 'page.html'];
    assert.is((await reported(folder, argv)).title, 'Rankings of msmarco-passage/trec-dl-2020/judged');
  }));

test('the function writes what the command writes', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const expected = await reported(folder, ['report', ...RUNS, '--training', 'metrics.csv', '--output', 'page.html']);
    const at = (name: string): string => join(folder, name);
    const dataset = await readDataset({
      qrels: at('tiny/qrels.txt'),
      runs: { one: at('one.run'), two: at('two.run') },
    });
    const output = at('page.html');
    await report({ output, datasets: [dataset], compare: { measures: ['RR'] }, training: [at('metrics.csv')] });
    const found = dataOf(await readFile(output, 'utf8'));
    const less = ({ title, table, comparison, datasets }: ReportData) => ({ title, table, comparison, datasets });
    assert.equal(less(found), less(expected));
    assert.is(found.written.command, undefined);
    await refuses(() => report({ output }), 'bad_input', /datasets or training to report/);
    const over = { output: at('one.run'), datasets: [dataset] };
    await refuses(() => report(over), 'bad_input', /one\.run/);
  }));

test('re_rank compares with the first stage, and the record beside a run tells a later report of texts and speed', () =>
  inFolder(async (folder) => {
    await writeCollection(folder);
    const argv = ['re_rank', '--config', 'config.yaml', '--trainer.callbacks+=ReRankCallback'];
    const saved = ['--trainer.callbacks.save_dir', 'out', '--report', 'page.html'];
    const data = await reported(folder, [...argv, ...saved]);
    assert.is(data.comparison!.baseline, 'first stage');
    assert.is(data.datasets[0]!.systems.length, 2);
    assert.ok(data.datasets[0]!.topics.every(({ text }) => text !== undefined));
    assert.is(data.hasTexts, true);
    const [speed] = data.throughput;
    assert.ok(speed!.pairs > 0 && speed!.seconds > 0);
    const { record } = data.sources.find((source) => source.record)! as { record: { written: { command: string } } };
    assert.is(record.written.command, `rank-distillm ${[...argv, ...saved].join(' ')}`);
  }));

test('fit shows its curves, its speed and its configuration', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const argv = ['fit', '--config', 'config.yaml', '--report', 'page.html', '--trainer.log_every_n_steps', '1'];
    const { training, throughput, configuration } = await reported(folder, argv);
    const loss = training[0]!.series.find(({ kind }) => kind === 'loss')!;
    assert.ok(loss.points.length > 1);
    assert.ok(training[0]!.series.some(({ kind }) => kind === 'validation'));
    assert.is(throughput[0]!.what, 'training');
    assert.match(configuration!, /^trainer:/m);
  }));

test('a fit that goes on shows the whole curve, from the log of the run it continues', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const logger = ['--trainer.logger={class_path: CSVLogger, init_args: {save_dir: out, name: logs, prefix: p}}'];
    const fit = (...more: string[]): Promise<ReportData> =>
      reported(folder, ['fit', '--config', 'config.yaml', '--report', 'page.html', ...logger, ...more]);
    const curves = ({ training }: ReportData): unknown =>
      training[0]!.series.filter(({ kind }) => kind !== 'share of time waiting for data');
    const whole = curves(await fit());
    for (const version of [[], ['--trainer.logger.init_args.version=resumed']]) {
      await fit('--trainer.max_steps=3', ...version);
      assert.equal(curves(await fit('--ckpt_path=last', ...version)), whole);
    }
  }));

test('mistakes are found before the work, and inputs are never replaced', () =>
  inFolder(async (folder) => {
    await writeFiles(folder, FILES);
    const cases: [string[], RegExp][] = [
      [['report', '--run', 'one.run', '--output', 'page.html'], /--qrels is missing\nhint: .*--training/],
      [['report', '--qrels', 'tiny/qrels.txt', '--output', 'page.html'], /report needs runs \(--run\) or a folder/],
      [
        ['report', '--training', 'one.run', '--output', 'page.html'],
        /one\.run:1: this is not a metrics log.*\nhint: It should be the metrics\.csv of a fit/,
      ],
      [['report', ...RUNS, '--output', 'one.run'], /one\.run/],
      [['evaluate', ...RUNS, '--report', 'two.run'], /two\.run/],
      [['compare', ...RUNS, '--report', 'tiny'], /tiny/],
    ];
    for (const [argv, message] of cases) {
      const { code, stderr } = await run(argv, { cwd: folder });
      assert.is(code, 2, `${argv.join(' ')}: ${stderr}`);
      assert.match(stderr, message);
    }
    assert.is(await readFile(join(folder, 'one.run'), 'utf8'), FILES['one.run']);
    assert.not(await stat(join(folder, 'page.html')).catch(() => false));
  }));

test.run();
