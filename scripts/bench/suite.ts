import { parseArgs } from 'node:util';
import { SetupError } from '../lib/say.mjs';
import { positiveNumber, positiveNumberIfGiven, wordsOf } from './arguments.js';
import type { ComputePrecision } from '../../binding.js';
import { deviceNamed } from './device.js';
import { reportWhenEnded } from './ended-early.js';
import type { GemmPrecision } from './engine-on-gpu.js';
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

/** A GPU gets through more pairs in half the time. */
const DEFAULT_SECONDS = { cpu: '10', cuda: '5' };

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).filter((argument, i) => i > 0 || argument !== 'suite'),
  allowPositionals: true, // more words of --only
  options: {
    only: { type: 'string', multiple: true, default: [] },
    full: { type: 'boolean', default: false },
    device: { type: 'string', default: 'cpu' },
    seconds: { type: 'string' },
    threads: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});
const threads = positiveNumberIfGiven('threads', values.threads);
const device = deviceNamed(values.device);
const seconds = positiveNumber('seconds', values.seconds ?? DEFAULT_SECONDS[device]);
const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

/** TF32 has a matrix rate of its own, though the model's precision is float32. */
function gemmPrecision({ precision }: Row, computed: ComputePrecision): GemmPrecision {
  return precision === 'tf32' ? precision : computed;
}

/** One row after another, into `done`. One that fails is told of and makes the run fail, the others count. */
async function measureRows(rows: readonly Row[], peaks: GemmPeaks, done: Done[]): Promise<void> {
  const precisions = await nativePrecisions(device, threads);
  for (const [precision, found] of precisions) {
    const left = rows.filter((row) => row.precision === precision).length;
    if (typeof found === 'object' && left > 0) say(`${precision}, rows left out: ${left}; ${found.leftOut}`);
  }
  const runs = rows.filter((row) => typeof precisions.get(row.precision) === 'string');
  if (runs.length === 0) process.exitCode = 1;
  for (const [i, row] of runs.entries()) {
    const { workload, model, precision } = row;
    const peakOf = gemmPrecision(row, precisions.get(precision) as ComputePrecision);
    try {
      const folder = await randomModel(model);
      await peaks.measure(RANDOM_MODELS[model], peakOf);
      const measured = await measureInProcess({
        workload,
        folder,
        device,
        precision,
        threads,
        seconds,
      });
      await peaks.measure(RANDOM_MODELS[model], peakOf);
      done.push({ row, measured });
      const rate = (measured.pairs / measured.seconds).toFixed(1);
      say(`${i + 1} of ${runs.length}: ${workload} ${model} ${precision}: ${rate} pairs/s`);
    } catch (error) {
      process.exitCode = 1;
      say(`${workload} ${model} ${precision} failed: ${(error as Error).message}`);
    }
  }
}

function report(done: readonly Done[], peaks: GemmPeaks): void {
  const results = done.map(({ row, measured }) =>
    resultOf(row, measured, peaks.peak(RANDOM_MODELS[row.model], gemmPrecision(row, measured.computed))),
  );
  console.log(
    values.json
      ? JSON.stringify({ machine: machine(device), results }, null, 2)
      : `${machineLine(device)}\n\n${formatResults(results, device)}`,
  );
}

if (values.help) {
  console.log(USAGE);
} else {
  const only = wordsOf(values.only, positionals);
  const rows = chooseRows({ only, full: values.full, device });
  if (rows.length === 0) throw new SetupError(`no row has all of these words: ${only.join(' ')}`, 'See --help.');
  const peaks = new GemmPeaks(device);
  const done: Done[] = [];
  reportWhenEnded(() => report(done, peaks));
  await measureRows(rows, peaks, done);
  report(done, peaks);
}
