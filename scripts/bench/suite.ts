import type { ComputePrecision, OpSeconds } from '../../binding.js';
import { loadBinding } from '../../src/io/load-binding.js';
import { numberOf, runScript } from '../lib/command.js';
import { SetupError } from '../lib/say.mjs';
import { GemmPeaks, type GemmPeak } from './gemm-peak.js';
import {
  DEVICES,
  machine,
  machineLine,
  oneOf,
  OPTIONS,
  printReport,
  rateColumns,
  reportWhenEnded,
  say,
  tableOf,
  wordsOf,
  type ColumnOf,
  type Device,
  type GemmPrecision,
} from './host.js';
import { nativePrecisions, precisionLabel, RANDOM_MODELS, randomModel } from './models.js';
import { measureInProcess, OPS, opsOf, type Measured } from './row.js';
import { chooseRows, goalOf, USAGE, type Row } from './rows.js';

/** A row of the report: what `--json` prints. */
interface SuiteResult extends Omit<Row, 'precision'>, Omit<Measured, 'opSeconds'> {
  precision: string;
  pairsPerSecond: number;
  tokensPerSecond: number;
  /** Of the linear layers' multiplications that were really executed. */
  gflops: number;
  /** The best that was reached on the model's matrices in the same run, and by which kernel on which. */
  gemmPeakGflops: number | undefined;
  gemmPeak: GemmPeak | undefined;
  ratio: number | undefined;
  /** The same where only the process's own CPU time counts, divided by its threads. */
  cpuRatio: number | undefined;
  goal: number | undefined;
  /** Of the time, that the engine was at work and did not wait for tokenization; training does not say. */
  engineShare: number | undefined;
  /** Of the threads' time, by class of op. */
  opShare: OpSeconds | undefined;
}

function resultOf(
  row: Row,
  { opSeconds, ...measured }: Measured,
  gemmPeak: GemmPeak | undefined,
  threads: number,
): SuiteResult {
  const { pairs, tokens, linearFlops, seconds, engineSeconds, computed } = measured;
  const gflops = linearFlops / seconds / 1e9;
  const ops = opSeconds && OPS.reduce((sum, op) => sum + opSeconds[op], 0);
  return {
    ...row,
    precision: precisionLabel(row.precision, computed),
    pairsPerSecond: pairs / seconds,
    tokensPerSecond: tokens / seconds,
    gflops,
    gemmPeakGflops: gemmPeak?.gflops,
    gemmPeak,
    ratio: gemmPeak && gflops / gemmPeak.gflops,
    cpuRatio: gemmPeak && linearFlops / (measured.cpuSeconds / threads) / 1e9 / gemmPeak.gflops,
    goal: goalOf(row, computed, loadBinding().info().kernels),
    engineShare: engineSeconds === undefined ? undefined : engineSeconds / seconds,
    opShare: ops ? opsOf((op) => opSeconds[op] / ops) : undefined,
    ...measured,
  };
}

const ROW_COLUMNS: readonly ColumnOf<SuiteResult>[] = [
  { head: 'workload', of: ({ workload }) => workload },
  { head: 'model', of: ({ model }) => model },
  { head: 'precision', of: ({ precision }) => precision },
];
const speedColumns = (device: Device): ColumnOf<SuiteResult>[] => [
  { head: 'pairs/s', digits: 1, of: ({ pairsPerSecond }) => pairsPerSecond },
  { head: 'tokens/s', digits: 0, of: ({ tokensPerSecond }) => tokensPerSecond },
  ...rateColumns(device),
  { head: 'by', of: ({ gemmPeak }) => gemmPeak?.kernel },
  { head: 'of peak', digits: 2, of: ({ ratio }) => ratio },
  ...(device === 'cpu'
    ? [
        { head: 'by CPU time', digits: 2, of: ({ cpuRatio }: SuiteResult) => cpuRatio },
        { head: 'goal', digits: 2, of: ({ goal }: SuiteResult) => goal },
      ]
    : []),
  { head: 'engine busy', digits: 2, of: ({ engineShare }) => engineShare },
  { head: 'load s', digits: 2, of: ({ loadSeconds }) => loadSeconds },
  { head: 'first score s', digits: 2, of: ({ firstSeconds }) => firstSeconds },
  { head: 'peak MiB', digits: 0, of: ({ peakRssMiB }) => peakRssMiB },
  { head: 'anonymous MiB', digits: 0, of: ({ peakAnonymousMiB }) => peakAnonymousMiB },
  ...(device === 'cuda' ? [{ head: 'GPU peak MiB', digits: 0, of: (row: SuiteResult) => row.peakGpuMiB }] : []),
];
const LATENCY_COLUMNS: readonly ColumnOf<SuiteResult>[] = [
  { head: 'requests', of: ({ latency }) => latency!.requests },
  ...(['p50', 'p95', 'p99'] as const).map((name): ColumnOf<SuiteResult> => ({
    head: `${name} ms`,
    digits: 1,
    of: ({ latency }) => latency![name] * 1e3,
  })),
  { head: 'x dl20', digits: 2, of: ({ latency }) => latency!.timesThroughput },
];
const OP_COLUMNS = OPS.map((op): ColumnOf<SuiteResult> => ({
  head: `${op} %`,
  digits: 1,
  of: ({ opShare }) => opShare![op] * 100,
}));

/** Speed and memory of all rows, then latencies and shares of time of those that have them. */
function formatResults(results: readonly SuiteResult[], device: Device): string {
  const tables: [readonly ColumnOf<SuiteResult>[], readonly SuiteResult[]][] = [
    [speedColumns(device), results],
    [LATENCY_COLUMNS, results.filter(({ latency }) => latency)],
    [OP_COLUMNS, results.filter(({ opShare }) => opShare)],
  ];
  return tables
    .filter(([, rows]) => rows.length > 0)
    .map(([columns, rows]) => tableOf([...ROW_COLUMNS, ...columns], rows))
    .join('\n\n');
}

/** TF32 has its own matrix rate, though the model's precision is float32. */
function gemmPrecision({ precision }: Row, computed: ComputePrecision): GemmPrecision {
  return precision === 'tf32' ? precision : computed;
}

type Done = { row: Row; measured: Measured }[];

/** One row after another, into `done`. One that fails makes the run fail, the others count. */
async function measureRows(
  rows: readonly Row[],
  where: { device: Device; threads: number | undefined; seconds: number },
  peaks: GemmPeaks,
  done: Done,
): Promise<void> {
  const precisions = await nativePrecisions(where.device, where.threads);
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
      const measured = await measureInProcess({ workload, folder, precision, ...where });
      // training may be in another arithmetic than scoring
      await peaks.measure(RANDOM_MODELS[model], gemmPrecision(row, measured.computed));
      done.push({ row, measured });
      const rate = (measured.pairs / measured.seconds).toFixed(1);
      say(`${i + 1} of ${runs.length}: ${workload} ${model} ${precision}: ${rate} pairs/s`);
    } catch (error) {
      process.exitCode = 1;
      say(`${workload} ${model} ${precision} failed: ${(error as Error).message}`);
    }
  }
}

const option = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

/** `npm run bench` without the name of another bench. */
export const run = (args: string[]): Promise<void> =>
  runScript(
    USAGE,
    {
      ...OPTIONS,
      only: { ...option, multiple: true, default: [] },
      ...{ full: flag, goals: flag, seconds: option, threads: option },
    },
    async (values, positionals) => {
      const device = oneOf('device', values.device, DEVICES);
      const threads = numberOf('threads', values.threads);
      const seconds = numberOf('seconds', values.seconds) ?? { cpu: 10, cuda: 5 }[device];
      const only = wordsOf(values.only, positionals);
      const rows = chooseRows(device, only, values.full ? 'full' : values.goals ? 'goals' : 'quick');
      if (rows.length === 0) throw new SetupError(`no row has all of these words: ${only.join(' ')}`, 'See --help.');
      const peaks = new GemmPeaks(device);
      const done: Done = [];
      const report = (): void => {
        const inUse = threads ?? machine(device).threads;
        const results = done.map(({ row, measured }) => {
          const peak = peaks.peak(RANDOM_MODELS[row.model], gemmPrecision(row, measured.computed));
          return resultOf(row, measured, peak, inUse);
        });
        const text = `${machineLine(device)}\n\n${formatResults(results, device)}`;
        printReport(values, { machine: machine(device), results }, text);
      };
      reportWhenEnded(report);
      await measureRows(rows, { device, threads, seconds }, peaks, done);
      report();
    },
    args,
  );
