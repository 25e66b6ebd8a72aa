import type { TableOptions } from '../../../src/report/table.js';
import { tableOf, type Device } from '../host.js';
import { OURS } from './contenders.js';

export interface PeerResult {
  name: string;
  version: string;
  precision: string;
  /** Undefined: chosen by the library. */
  batch: number | undefined;
  /** Pairs a second of each round. */
  rounds: number[];
  pairsPerSecond: number;
  /** Largest difference of a score from ours in float32, in standard deviations of all scores. */
  largestDifference: number;
  peakMiB: number;
  peakGpuMiB: number | undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How many times as fast ours is in the same precision: the median over rounds, in which noise falls on both alike. */
export function ratioOf(result: PeerResult, results: readonly PeerResult[]): number | undefined {
  const ours = results.find(({ name, precision }) => name === OURS && precision === result.precision);
  return ours && median(result.rounds.map((rate, i) => ours.rounds[i]! / rate));
}

export function formatPeers(results: readonly PeerResult[], device: Device, options?: TableOptions): string {
  return tableOf<PeerResult>(
    [
      { head: 'contender', of: ({ name }) => name },
      { head: 'version', of: ({ version }) => version },
      { head: 'precision', of: ({ precision }) => precision },
      { head: 'batch', of: ({ batch }) => batch },
      { head: 'pairs/s', digits: 2, of: ({ pairsPerSecond }) => pairsPerSecond },
      { head: 'least', digits: 2, of: ({ rounds }) => Math.min(...rounds) },
      { head: 'most', digits: 2, of: ({ rounds }) => Math.max(...rounds) },
      { head: 'ours / theirs', digits: 2, of: (result) => ratioOf(result, results) },
      { head: 'difference', of: ({ largestDifference }) => largestDifference.toExponential(1) },
      { head: 'peak MiB', digits: 0, of: ({ peakMiB }) => peakMiB },
      ...(device === 'cuda' ? [{ head: 'GPU peak MiB', digits: 0, of: (row: PeerResult) => row.peakGpuMiB }] : []),
    ],
    results,
    options,
  );
}

/** For the README. */
export function formatMarkdown(results: readonly PeerResult[]): string {
  const rows = results.map((result) => {
    const ratio = result.name === OURS ? '' : (ratioOf(result, results)?.toFixed(2) ?? '');
    const [name, ...how] = result.name.split(',');
    const library = [`${name} ${result.version}`, ...how].join(',');
    return `| ${library} | ${result.precision} | ${result.pairsPerSecond.toFixed(1)} | ${ratio} |`;
  });
  return ['| library | precision | pairs/s | ours / theirs |', '|---|---|---|---|', ...rows].join('\n');
}
