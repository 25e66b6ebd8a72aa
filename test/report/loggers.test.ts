import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RankDistillmError } from '../../src/errors.js';
import { ConsoleLogger } from '../../src/report/console-logger.js';
import { CsvLogger } from '../../src/report/csv-logger.js';
import type { MetricLogger } from '../../src/report/metric-logger.js';
import { TensorBoardLogger } from '../../src/report/tensorboard-logger.js';
import { pythonWithOriginals } from '../support/shared.js';

const test = suite('loggers');
const golden = (name: string): Buffer => readFileSync(new URL(`golden/${name}`, import.meta.url));

/** Made by scripts/references/logs.py, as the files beside it. */
const LOG = JSON.parse(golden('log.json').toString(), (_, value: unknown) => {
  return value === 'nan' ? Number.NaN : value === 'inf' ? Number.POSITIVE_INFINITY : value;
}) as { wallTime: number; step: number; metrics: Record<string, number> }[];

let folder = '';
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'loggers-'));
});
test.after.each(() => rmSync(folder, { recursive: true }));

async function logAll(logger: MetricLogger, rows = LOG): Promise<void> {
  for (const { metrics, step } of rows) await logger.log(metrics, step);
  await logger.close();
}

/** Cells by column; the quoted name of the log holds the one comma in quotes. */
function table(text: string): { columns: string[]; rows: (number | undefined)[][] } {
  const [head = '', ...lines] = text.trimEnd().split(/\r?\n/);
  const number = (cell: string): number | undefined =>
    cell === '' ? undefined : cell.endsWith('inf') ? Number.POSITIVE_INFINITY : Number(cell.replace('nan', 'NaN'));
  return { columns: head.split(/,(?!b ")/), rows: lines.map((line) => line.split(',').map(number)) };
}

test('metrics.csv has the columns and the numbers of Lightning', async () => {
  await logAll(await CsvLogger.open(folder));
  const ours = table(readFileSync(join(folder, 'metrics.csv'), 'utf8'));
  assert.equal(ours, table(golden('metrics.csv').toString()));
  assert.is(ours.rows.length, LOG.length);
  assert.ok(ours.rows.every((row) => row.length === 8));
});

test('metrics.csv goes on where a killed run left a row unfinished', async () => {
  const path = join(folder, 'metrics.csv');
  await logAll(await CsvLogger.open(folder), LOG.slice(0, 3));
  const whole = readFileSync(path, 'utf8');
  appendFileSync(path, ',,0.1234');
  await logAll(await CsvLogger.open(folder), []);
  assert.is(readFileSync(path, 'utf8'), whole);
  appendFileSync(path, ',,0.1234');
  await logAll(await CsvLogger.open(folder), LOG.slice(3));
  assert.equal(table(readFileSync(path, 'utf8')), table(golden('metrics.csv').toString()));
});

test('metrics.csv forgets what was logged after the step that a run goes on from', async () => {
  const path = join(folder, 'metrics.csv');
  await logAll(await CsvLogger.open(folder), LOG.slice(0, 4));
  const atTwenty = readFileSync(path, 'utf8');
  await logAll(await CsvLogger.open(folder), [{ wallTime: 0, step: 21, metrics: { epoch: 0, loss: 5 } }]);
  assert.is.not(readFileSync(path, 'utf8'), atTwenty);
  await logAll(await CsvLogger.open(folder, { resumedAt: 20 }), []);
  assert.is(readFileSync(path, 'utf8'), atTwenty);
});

test('a row is in the file as soon as it is logged', async () => {
  const logger = await CsvLogger.open(folder, { prefix: 'run' });
  await logger.log({ loss: 0.1 }, 1);
  await logger.log({ loss: 1e-7 }, 2);
  assert.is(readFileSync(join(folder, 'metrics.csv'), 'utf8'), 'run-loss,step\n0.1,1\n1e-7,2\n');
  await logger.close();
});

test('a file that is no log is named', async () => {
  const path = join(folder, 'metrics.csv');
  writeFileSync(path, 'name,value\na,1\n');
  await CsvLogger.open(folder).then(
    () => assert.unreachable(),
    (error: RankDistillmError) => assert.match(error.message, `${path}:1: this is not a metrics log`),
  );
  for (const Logger of [CsvLogger, TensorBoardLogger]) {
    await Logger.open(join(path, 'below')).then(
      () => assert.unreachable(),
      (error: RankDistillmError) => assert.is(error.code, 'io'),
    );
  }
});

test('event files have the bytes that TensorBoard writes', async () => {
  let clock = LOG[0]?.wallTime ?? 0;
  const logger = await TensorBoardLogger.open(folder, { now: () => clock * 1000 });
  assert.match(logger.path, /\/events\.out\.tfevents\.1700000000\.[^/]+\.\d+\.\d+$/);
  for (const { wallTime, step, metrics } of LOG) {
    clock = wallTime;
    await logger.log(metrics, step);
  }
  await logger.close();
  assert.equal(readFileSync(logger.path), golden('events'));
  clock = LOG[0]?.wallTime ?? 0;
  const resumed = await TensorBoardLogger.open(folder, { now: () => clock * 1000, resumedAt: 20 });
  await resumed.close();
  assert.equal(readFileSync(resumed.path), golden('resumed'));
  assert.is(readdirSync(folder).length, 2);
});

const python = pythonWithOriginals();
if (python) {
  const script = fileURLToPath(new URL('../../scripts/references/logs.py', import.meta.url));
  const read = (): Record<string, [number, string][]> =>
    JSON.parse(
      execFileSync(python, [script, 'read', folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    ) as Record<string, [number, string][]>;

  test('TensorBoard reads them, cut off and resumed', async () => {
    const killed = await TensorBoardLogger.open(folder, { prefix: 'a' });
    for (const step of [1, 2, 3, 4]) await killed.log({ loss: step / 4, 'x/nDCG@10': 0.5 }, step);
    await killed.close();
    truncateSync(killed.path, readFileSync(killed.path).length - 7);
    assert.equal(
      read()['a-loss']?.map(([step]) => step),
      [1, 2, 3, 4],
    );
    assert.equal(
      read()['a-x/nDCG@10']?.map(([step]) => step),
      [1, 2, 3],
    );

    const resumed = await TensorBoardLogger.open(folder, { prefix: 'a', resumedAt: 2 });
    await resumed.log({ loss: 9 }, 3);
    await resumed.close();
    // prettier-ignore
    assert.equal(read()['a-loss'], [[1, '0.25'], [2, '0.5'], [3, '9.0']]);
  });
}

test('console: a line per log', async () => {
  const stream = new PassThrough();
  await logAll(new ConsoleLogger({ stream, prefix: 'a' }), LOG.slice(1, 4));
  assert.equal(String(stream.read()).split('\n'), [
    'step 10: a-epoch 0, a-loss 0.3000, a-RankNet 1e-7, a-lr-AdamW 3e-5',
    'step 20: a-epoch 0, a-msmarco-passage/trec-dl-2020/nDCG@10 0.7156, a-a,b "c" -2.5000',
    'step 20: a-epoch 0, a-loss nan, a-RankNet inf',
    '',
  ]);
});

test.run();
