import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { RankDistillmError, ioError } from '../errors.js';
import { parseMetrics } from '../report/csv-logger.js';
import { type MetricLogger, unprefixed } from '../report/metric-logger.js';
import type { TrainingLog } from './report-data.js';

/** More points than a chart has pixels are thinned out. */
const MAX_POINTS = 1000;

function kindOf(metric: string): TrainingLog['series'][number]['kind'] {
  if (/(^|-)lr-/.test(metric)) return 'learning rate';
  if (metric.endsWith('wait_share')) return 'share of time waiting for data';
  return metric.includes('/') || /^val/.test(metric) ? 'validation' : 'loss';
}

/** Collects a fit's metrics, from its log or while it runs. */
export class TrainingCurves implements MetricLogger {
  readonly #series = new Map<string, [number, number][]>();

  constructor(readonly name: string) {}

  async log(metrics: Readonly<Record<string, number>>, step: number): Promise<void> {
    this.#add(metrics, step);
  }

  /**
   * Adds the rows of a `metrics.csv`.
   *
   * @param prefix that the logger put before each name
   * @param lastStep rows of later steps are left out
   * @returns how many rows were added
   */
  addLog(text: string, path: string, prefix = '', lastStep = Number.POSITIVE_INFINITY): number {
    const rows = parseMetrics(text, path).rows.filter(({ step }) => Number(step) <= lastStep);
    for (const { step, ...row } of rows) {
      const filled = Object.entries(row).filter(([, cell]) => cell !== '');
      this.#add(
        Object.fromEntries(filled.map(([name, cell]) => [unprefixed(name, prefix), Number(cell)])),
        Number(step),
      );
    }
    return rows.length;
  }

  #add(metrics: Readonly<Record<string, number>>, step: number): void {
    for (const [metric, value] of Object.entries(metrics)) {
      if (metric === 'epoch' || metric === 'step' || !Number.isFinite(value)) continue;
      const points = this.#series.get(metric);
      if (points) points.push([step, value]);
      else this.#series.set(metric, [[step, value]]);
    }
  }

  async flush(): Promise<void> {}
  async close(): Promise<void> {}

  get curves(): TrainingLog {
    const thin = (points: [number, number][]): [number, number][] => {
      const every = Math.ceil(points.length / MAX_POINTS);
      return points.filter((_, i) => i % every === 0 || i === points.length - 1);
    };
    const isSame = (a: [number, number][], b: [number, number][]): boolean =>
      a.length === b.length && a.every(([step, value], i) => step === b[i]![0] && value === b[i]![1]);
    // the sum of a single loss is that loss
    const shown = [...this.#series].filter(
      ([metric, points]) =>
        metric !== 'loss' || ![...this.#series].some(([other, its]) => other !== metric && isSame(points, its)),
    );
    const series = shown.map(([metric, points]) => ({
      metric,
      kind: kindOf(metric),
      points: thin(points),
    }));
    return { name: this.name, series };
  }
}

/** Reads the `metrics.csv` of a fit. */
export async function readTrainingLog(path: string): Promise<TrainingLog> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  const log = new TrainingCurves(basename(path) === 'metrics.csv' ? dirname(path) : path);
  if (log.addLog(text, path) === 0) {
    throw new RankDistillmError('bad_input', `${path}: the log has no rows`, {
      hint: 'Give the metrics.csv of a fit.',
    });
  }
  return log.curves;
}
