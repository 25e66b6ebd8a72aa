import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CompareOptions } from '../compare/compare.js';
import type { ReadDataset } from '../compare/read-dataset.js';
import type { CollectionIndexOptions } from '../data/collection/index-cache.js';
import { CollectionStore } from '../data/collection/collection-store.js';
import { readQueries } from '../data/formats/texts.js';
import { badArgument, ioError } from '../errors.js';
import { provideFile } from '../fetch/datasets.js';
import { fingerprintLargeFile } from '../io/fingerprint.js';
import { holdInputs, refuseOverInput } from '../io/inputs.js';
import { assertWritable, isThere } from '../io/output-file.js';
import { packageVersion } from '../io/package-version.js';
import { currentRecord, type RunProvenance } from '../rerank/provenance.js';
import { buildReport, type ReportedDataset } from './build-report.js';
import type { ReportedSpeed, ReportSource, TrainingLog } from './report-data.js';
import { readTrainingLog } from './training-log.js';
import { writeReport } from './write-report.js';

/** A dataset of a report. Texts that no file is given for come from the runs, or from the files that their records name. */
export interface DatasetToReport extends ReadDataset {
  queriesFile?: string | undefined;
  docsFile?: string | undefined;
}

export interface ReportOptions {
  /** The page to write. */
  output: string;
  /** Heading. Default: the names of what is reported. */
  title?: string | undefined;
  /** Runs and judgements, as `readDataset` and `readExperiments` give them. */
  datasets?: readonly DatasetToReport[];
  /** Measures, baseline and so on of the comparison. */
  compare?: CompareOptions;
  /** Curves of a fit, or its `metrics.csv`. */
  training?: readonly (TrainingLog | string)[];
  /** Settings of a fit, as YAML. */
  configuration?: string;
  /** Speeds to show beside those that the records of the runs tell. */
  throughput?: readonly ReportedSpeed[];
  /** Command line to name as the page's origin. */
  command?: string | undefined;
  /** How collections are indexed. */
  indexing?: CollectionIndexOptions;
  signal?: AbortSignal | undefined;
}

/** Names that a heading lists; of more it says how many there are. */
const NAMED = 3;

/**
 * Writes a page about runs, about training, or about both: one HTML file of at most 5 MB that needs no network.
 *
 * @throws RankDistillmError `bad_input`, `not_found`, `io`; `aborted` after the signal
 */
export async function report(options: ReportOptions): Promise<void> {
  const { output, datasets = [], compare = {}, training = [], configuration, throughput = [], signal } = options;
  if (datasets.length === 0 && training.length === 0) {
    throw badArgument('options', 'datasets or training to report', options);
  }
  const files = training.filter((log) => typeof log === 'string');
  await checkReportPath(output, [
    ...datasets.flatMap((dataset) => [dataset.qrelsFile, ...dataset.files.values()]),
    ...files,
  ]);
  const logs: TrainingLog[] = [];
  for (const log of training) logs.push(typeof log === 'string' ? await readTrainingLog(log) : log);
  const sources: ReportSource[] = [];
  const reported: ReportedDataset[] = [];
  const speeds = [...throughput];
  for (const dataset of datasets) {
    const records = new Map<string, RunProvenance>();
    for (const [system, file] of dataset.files) {
      const record = await currentRecord(file);
      if (!record) continue;
      records.set(system, record);
      const { timing, computed, model } = record;
      const what = datasets.length > 1 ? `${system}, ${dataset.name}` : system;
      if (timing) speeds.push({ what, ...timing, ...computed, model: model.name });
    }
    reported.push(await withTexts(dataset, [...records.values()], sources, { signal, ...options.indexing }));
    for (const [system, file] of dataset.files) {
      const source = await sourceOf('run', file, dataset.name);
      const record = records.get(system);
      sources.push({ ...source, system, ...(record ? { record } : {}) });
    }
    sources.push(await sourceOf('qrels', dataset.qrelsFile, dataset.name));
  }
  for (const file of files) sources.push(await sourceOf('training log', file));
  const comparing = signal === undefined ? compare : { signal, ...compare };
  const built = reported.length === 0 ? { datasets: [], rankings: [] } : buildReport(reported, comparing);
  const { rankings, ...shown } = built;
  const { command } = options;
  const data = {
    title: options.title ?? titleOf(reported, logs),
    written: { at: new Date().toISOString(), by: `rank-distillm ${packageVersion()}`, ...(command ? { command } : {}) },
    ...shown,
    training: logs,
    sources,
    ...(configuration === undefined ? {} : { configuration }),
    throughput: speeds,
  };
  await writeReport(output, data, rankings);
}

function titleOf(datasets: readonly { name: string }[], logs: readonly TrainingLog[]): string {
  const [what, named] = datasets.length > 0 ? ['Rankings of', datasets] : ['Training:', logs];
  const names = [...new Set(named.map(({ name }) => name))];
  if (names.length <= NAMED) return `${what} ${names.join(', ')}`;
  return `${what} ${names.slice(0, NAMED - 1).join(', ')} and ${names.length - NAMED + 1} more`;
}

/** Checks before the work that the report can be written, and that it replaces none of the inputs. */
export async function checkReportPath(path: string | undefined, inputs: readonly string[] = []): Promise<void> {
  if (path === undefined) return;
  await assertWritable(path);
  using _held = holdInputs(inputs);
  refuseOverInput(path, 'Choose another path for the report.');
}

async function sourceOf(what: string, path: string, dataset?: string): Promise<ReportSource> {
  const file = await provideFile(path);
  const { mtime } = await stat(file).catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  return {
    what,
    ...(dataset === undefined ? {} : { dataset }),
    path: file === path ? resolve(path) : path,
    fingerprint: await fingerprintLargeFile(file),
    modified: mtime.toISOString(),
  };
}

/** Adds the texts of queries and documents, from the files given or from those that the records of the runs name. */
async function withTexts(
  dataset: DatasetToReport,
  records: readonly RunProvenance[],
  sources: ReportSource[],
  indexing: CollectionIndexOptions,
): Promise<ReportedDataset> {
  const known = async <T>(found: readonly (T | null)[], path: (each: T) => string): Promise<T | undefined> => {
    for (const each of found) if (each !== null && (await isThere(path(each)))) return each;
    return undefined;
  };
  const queries =
    dataset.queriesFile ??
    (await known(
      records.map((record) => record.dataset.queries),
      (path) => path,
    ));
  const docs =
    dataset.docsFile === undefined
      ? await known(
          records.map((record) => record.dataset.docs),
          ({ path }) => path,
        )
      : { path: dataset.docsFile, repaired: true }; // for people: no text is meant to hold UTF-8 read as Latin-1
  const result: ReportedDataset = { ...dataset };
  if (queries !== undefined) {
    result.queries = await readQueries(queries, new Set(dataset.qrels.map(({ queryId }) => queryId)));
    sources.push(await sourceOf('queries', queries, dataset.name));
  }
  if (docs !== undefined) {
    const topics = new Set(dataset.qrels.map(({ queryId }) => queryId));
    await using store = await CollectionStore.open(docs.path, {
      ...indexing,
      repairs: docs.repaired,
    });
    const wanted = new Set<string>();
    for (const run of dataset.runs.values())
      for (const { queryId, docId } of run) if (topics.has(queryId) && store.has(docId)) wanted.add(docId);
    const ids = [...wanted];
    const texts = await store.getTexts(ids);
    result.texts = new Map(ids.map((id, i) => [id, texts[i]!]));
    sources.push(await sourceOf('documents', docs.path, dataset.name));
  }
  return result;
}
