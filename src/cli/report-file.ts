import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { CompareOptions } from '../compare/compare.js';
import type { ReadDataset } from '../compare/experiments.js';
import { CollectionStore } from '../data/collection/collection-store.js';
import { runStem } from '../data/dataset-id.js';
import { readQrels } from '../data/formats/qrels.js';
import { readQueries } from '../data/formats/texts.js';
import { readRun } from '../data/run-file.js';
import { ioError, RankDistillmError } from '../errors.js';
import { fingerprintLargeFile } from '../io/fingerprint.js';
import { holdInputs, refuseOverInput } from '../io/inputs.js';
import { assertWritable, isThere } from '../io/output-file.js';
import { packageVersion } from '../io/package-version.js';
import { buildReport, type ReportedDataset } from '../report-page/build-report.js';
import type { ReportData, ReportSource, TrainingLog } from '../report-page/report-data.js';
import { writeReport } from '../report-page/write-report.js';
import { provenancePath, readProvenance, type RunProvenance } from '../rerank/provenance.js';
import { note, type CliIo } from './cli-io.js';
import { indexingNotes } from './shared-settings.js';

/** A dataset for the report; the files of texts that were given for it, else those of its runs' records are read. */
export interface DatasetToReport extends ReadDataset {
  queriesFile?: string | undefined;
  docsFile?: string | undefined;
}

interface Parts {
  datasets?: readonly DatasetToReport[];
  compare?: CompareOptions;
  training?: readonly TrainingLog[];
  trainingFiles?: readonly string[];
  configuration?: string;
  throughput?: ReportData['throughput'];
}

/** Checks before the work that the report can be written, and that it replaces none of the inputs. */
export async function checkReportPath(path: string | undefined, inputs: readonly string[] = []): Promise<void> {
  if (path === undefined) return;
  await assertWritable(path);
  using _held = holdInputs(inputs);
  refuseOverInput(path, 'Choose another path for the report.');
}

/** Writes the report page of runs, of a fit's log, or of both, and says where it lies. */
export async function reportTo(path: string, parts: Parts, io: CliIo): Promise<void> {
  const { datasets = [], compare = {}, training = [], trainingFiles = [], configuration, throughput = [] } = parts;
  const sources: ReportSource[] = [];
  const reported: ReportedDataset[] = [];
  const speeds = [...throughput];
  for (const given of datasets) {
    // `compare` calls its only dataset "mean"
    const dataset = given.name === 'mean' ? { ...given, name: datasetName(given.qrelsFile) } : given;
    const records = new Map<string, RunProvenance>();
    for (const [system, file] of dataset.files) {
      const record = await recordOf(file);
      if (!record) continue;
      records.set(system, record);
      const { timing, computed, model } = record;
      const what = datasets.length > 1 ? `${system}, ${dataset.name}` : system;
      if (timing) speeds.push({ what, ...timing, ...computed, model: model.name });
    }
    reported.push(await withTexts(dataset, [...records.values()], sources, io));
    for (const [system, file] of dataset.files) {
      const source = await sourceOf('run', file, dataset.name);
      const record = records.get(system);
      sources.push({ ...source, system, ...(record ? { record } : {}) });
    }
    sources.push(await sourceOf('qrels', dataset.qrelsFile, dataset.name));
  }
  for (const file of trainingFiles) sources.push(await sourceOf('training log', file));
  const built = reported.length === 0 ? { datasets: [], rankings: [] } : buildReport(reported, compare);
  const { rankings, ...shown } = built;
  const subject =
    reported.length > 0 ? reported.map(({ name }) => name).join(', ') : training.map(({ name }) => name).join(', ');
  const data = {
    title: `Report: ${subject}`,
    written: { at: new Date().toISOString(), by: `rank-distillm ${packageVersion()}`, command: io.command },
    ...shown,
    training: [...training],
    sources,
    ...(configuration === undefined ? {} : { configuration }),
    throughput: speeds,
  };
  await writeReport(path, data, rankings);
  note(io, `wrote the report ${path}; open it in a browser`);
}

/** A dataset's name from its qrels: `qrels.dl20-passage.txt` → `dl20-passage`, `trec-dl-2020/qrels.txt` → `trec-dl-2020`. */
export function datasetName(qrels: string): string {
  return runStem(qrels).replace(/^qrels[._-]?/, '') || basename(dirname(resolve(qrels)));
}

/** The record beside a run of ours. Its run may have been replaced since; then it says nothing of the new one. */
async function recordOf(file: string): Promise<RunProvenance | undefined> {
  if (!(await isThere(provenancePath(file)))) return undefined;
  const record = await readProvenance(file).catch((error: unknown) => {
    if (error instanceof RankDistillmError) return undefined; // another program's file of this name
    throw error;
  });
  return record && (await fingerprintLargeFile(file)).endsWith(record.run.fingerprint.replace(/^.*:/, ''))
    ? record
    : undefined;
}

async function sourceOf(what: string, path: string, dataset?: string): Promise<ReportSource> {
  const { mtime } = await stat(path).catch((error: unknown) => Promise.reject(ioError('read', path, error)));
  return {
    what,
    ...(dataset === undefined ? {} : { dataset }),
    path: resolve(path),
    fingerprint: await fingerprintLargeFile(path),
    modified: mtime.toISOString(),
  };
}

/** Adds the texts of queries and documents, from the files given or from those that the records of the runs name. */
async function withTexts(
  dataset: DatasetToReport,
  records: readonly RunProvenance[],
  sources: ReportSource[],
  io: CliIo,
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
      repairs: docs.repaired,
      signal: io.signal,
      onProgress: indexingNotes(io),
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

/** A re-ranked run beside the first stage's, as its record describes them; undefined without judgements. */
export async function rerankedDataset(name: string, outputPath: string): Promise<DatasetToReport | undefined> {
  const record = await readProvenance(outputPath);
  if (!record) return undefined;
  const { input, dataset, model } = record;
  const first = (await readRun(input.path)).filter(({ rank }) => input.depth === -1 || rank <= input.depth);
  const reRanked = await readRun(outputPath);
  const inRun = first.flatMap(({ queryId, docId, relevance, iteration = '0' }) =>
    relevance === undefined ? [] : [{ queryId, docId, relevance, iteration }],
  );
  const judgements = inRun.length > 0 || dataset.qrels === null ? inRun : await readQrels(dataset.qrels);
  const scored = new Set(reRanked.map(({ queryId }) => queryId));
  const qrels = judgements.filter(({ queryId }) => scored.has(queryId));
  if (qrels.length === 0) return undefined;
  const systems = [
    'first stage',
    basename(resolve(model.folder)) === model.revision ? model.name : basename(model.name),
  ];
  return {
    name,
    qrels,
    runs: new Map([
      [systems[0]!, first],
      [systems[1]!, reRanked],
    ]),
    files: new Map([
      [systems[0]!, input.path],
      [systems[1]!, outputPath],
    ]),
    qrelsFile: inRun.length > 0 ? input.path : dataset.qrels!,
  };
}
