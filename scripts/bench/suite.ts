import { parseArgs } from 'node:util';
import { SetupError } from '../lib/say.mjs';
import { positiveNumber, positiveNumberIfGiven, wordsOf } from './arguments.js';
import type { ComputePrecision } from '../../binding.js';
import { GemmPeaks } from './gemm-peak.js';
import { machine, machineLine } from './machine.js';
import { nativePrecisions } from './native-precisions.js';
import { RANDOM_MODELS, randomModel } from './random-model.js';
import type { RowMeasurement } from './row-measurement.js';
import { measureInProcess } from './row-process.js';
import { chooseRows, type Row } from './rows.js';
import { resultOf } from './suite-result.js';
import { formatResults } from './suite-tables.js';
import { USAGE } from './usage.js';

interface Done {
  row: Row;
  measured: RowMeasurement;
}

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).filter((argument, i) => i > 0 || argument !== 'suite'),
  allowPositionals: true, // more words of --only
  options: {
    only: { type: 'string', multiple: true, default: [] },
    full: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '10' },
    threads: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});
const threads = positiveNumberIfGiven('threads', values.threads);
const seconds = positiveNumber('seconds', values.seconds);
const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

/** One row after another. One that fails is told of and makes the run fail, the others count. */
async function measureRows(rows: readonly Row[], peaks: GemmPeaks): Promise<Done[]> {
  const precisions = await nativePrecisions(threads);
  for (const [precision, found] of precisions) {
    const left = rows.filter((row) => row.precision === precision).length;
    if (typeof found === 'object' && left > 0) say(`${precision}, rows left out: ${left}; ${found.leftOut}`);
  }
  const runs = rows.filter((row) => typeof precisions.get(row.precision) === 'string');
  const done: Done[] = [];
  for (const [i, row] of runs.entries()) {
    const { workload, model, precision } = row;
    const computed = precisions.get(precision) as ComputePrecision;
    try {
      const folder = await randomModel(model);
      await peaks.measure(RANDOM_MODELS[model], computed);
      const measured = await measureInProcess({
        workload,
        folder,
        precision,
        threads,
        seconds,
      });
      await peaks.measure(RANDOM_MODELS[model], computed);
      done.push({ row, measured });
      const rate = (measured.pairs / measured.seconds).toFixed(1);
      say(`${i + 1} of ${runs.length}: ${workload} ${model} ${precision}: ${rate} pairs/s`);
    } catch (error) {
      process.exitCode = 1;
      say(`${workload} ${model} ${precision} failed: ${(error as Error).message}`);
    }
  }
  return done;
}

if (values.help) {
  console.log(USAGE);
} else {
  const only = wordsOf(values.only, positionals);
  const rows = chooseRows({ only, full: values.full });
  if (rows.length === 0) throw new SetupError(`no row has all of these words: ${only.join(' ')}`, 'See --help.');
  const peaks = new GemmPeaks();
  const done = await measureRows(rows, peaks);
  const results = done.map(({ row, measured }) =>
    resultOf(row, measured, peaks.peak(RANDOM_MODELS[row.model], measured.computed)),
  );
  console.log(
    values.json
      ? JSON.stringify({ machine: machine(), results }, null, 2)
      : `${machineLine()}\n\n${formatResults(results)}`,
  );
}
