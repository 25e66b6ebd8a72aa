import { formatTable, type Cell, type Column, type TableOptions } from '../../src/report/table.js';
import type { Device } from './device.js';
import { OPS } from './op-seconds.js';
import { rateColumn, rateUnit } from './rate-unit.js';
import type { SuiteResult } from './suite-result.js';

interface SuiteTable {
  columns: readonly Column[];
  cells: (result: SuiteResult) => readonly Cell[];
  /** Rows that have something to show. */
  has: (result: SuiteResult) => boolean;
}

const speed = (device: Device): SuiteTable => {
  const unit = rateUnit(device);
  return {
    columns: [
      { head: 'pairs/s', digits: 1 },
      { head: 'tokens/s', digits: 0 },
      rateColumn(unit.name, device),
      rateColumn('GEMM peak', device),
      { head: 'by' },
      { head: 'of peak', digits: 2 },
      { head: 'engine busy', digits: 2 },
      { head: 'load s', digits: 2 },
      { head: 'first score s', digits: 2 },
      { head: 'peak MiB', digits: 0 },
      { head: 'anonymous MiB', digits: 0 },
      ...(device === 'cuda' ? [{ head: 'GPU peak MiB', digits: 0 }] : []),
    ],
    cells: (result) => [
      result.pairsPerSecond,
      result.tokensPerSecond,
      result.gflops / unit.gflops,
      result.gemmPeakGflops && result.gemmPeakGflops / unit.gflops,
      result.gemmPeak?.kernel,
      result.ratio,
      result.engineShare,
      result.loadSeconds,
      result.firstSeconds,
      result.peakRssMiB,
      result.peakAnonymousMiB,
      ...(device === 'cuda' ? [result.peakGpuMiB] : []),
    ],
    has: () => true,
  };
};

const OF_SOME_ROWS: readonly SuiteTable[] = [
  {
    columns: [
      { head: 'requests' },
      { head: 'p50 ms', digits: 1 },
      { head: 'p95 ms', digits: 1 },
      { head: 'p99 ms', digits: 1 },
      { head: 'x dl20', digits: 2 },
    ],
    cells: ({ latency }) =>
      latency
        ? [latency.requests, latency.p50 * 1e3, latency.p95 * 1e3, latency.p99 * 1e3, latency.timesThroughput]
        : [],
    has: ({ latency }) => latency !== undefined,
  },
  {
    columns: OPS.map((head) => ({ head: `${head} %`, digits: 1 })),
    cells: ({ opShare }) => OPS.map((op) => opShare && opShare[op] * 100),
    has: ({ opShare }) => opShare !== undefined,
  },
];

/** Speed and memory of all rows, then latencies and shares of time of those that have them. */
export function formatResults(results: readonly SuiteResult[], device: Device, options?: TableOptions): string {
  const names = ['workload', 'model', 'precision'].map((head) => ({ head }));
  return [speed(device), ...OF_SOME_ROWS]
    .map(({ columns, cells, has }) => ({ columns, cells, rows: results.filter(has) }))
    .filter(({ rows }) => rows.length > 0)
    .map(({ columns, cells, rows }) =>
      formatTable(
        [...names, ...columns],
        rows.map((row) => [row.workload, row.model, row.precision, ...cells(row)]),
        options,
      ),
    )
    .join('\n\n');
}
