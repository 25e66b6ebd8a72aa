import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { loadCheckpoint } from '../checkpoint/load-checkpoint.js';
import { readRun } from '../data/read-run.js';
import type { RunEntry } from '../data/records.js';
import { DatasetRegistry, type DatasetParts } from '../data/registry.js';
import { RunDataset } from '../data/run-dataset.js';
import { CrossEncoder } from '../engine/cross-encoder.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { evaluate } from '../evaluate/evaluate.js';
import { formatDuration } from '../report/duration.js';
import { createProgress, type Progress } from '../report/progress.js';
import { formatMetrics, type MetricsRow } from '../report/table.js';
import { rerank } from '../rerank/rerank.js';
import { note, warn, type CliIo } from './cli-io.js';
import { assertWritable, refuseCollisions } from './output-files.js';
import type { DatasetFiles, ReRankPlan, RunSettings } from './re-rank-plan.js';
import { runPath } from './run-path.js';

/** One dataset and the run to be written for it. */
interface Job {
  dataset: RunDataset;
  label: string;
  output: string;
}

type ScoredEntry = Pick<RunEntry, 'queryId' | 'docId' | 'score'>;

/** Scores of a topic, kept small: a run may have a million documents. */
interface ScoredTopic {
  queryId: string;
  docIds: string[];
  scores: Float32Array;
}

function* entriesOf(topics: readonly ScoredTopic[]): Generator<ScoredEntry> {
  for (const { queryId, docIds, scores } of topics) {
    for (const [i, docId] of docIds.entries()) yield { queryId, docId, score: scores[i]! };
  }
}

/**
 * Re-ranks every dataset of a plan. All datasets are opened and checked before the first is scored, so that a mistake
 * in the last does not cost the work on the others.
 *
 * @returns a table of measures, or undefined when there is nothing to measure
 */
export async function runReRank(plan: ReRankPlan, io: CliIo): Promise<string | undefined> {
  // Headers only: a wrong model shows before a collection is indexed for minutes.
  await loadCheckpoint(plan.model, { overrides: plan.overrides });
  const registry = new DatasetRegistry();
  for (const [id, files] of plan.registered) registry.register(id, partsOf(files));
  const jobs: Job[] = [];
  try {
    for (const settings of plan.datasets) {
      throwIfAborted(io.signal);
      jobs.push(await openJob(settings, plan, registry, io));
    }
    await refuseCollisions(
      jobs.map((job) => job.output),
      inputFiles(plan, registry),
      'Set save_dir of ReRankCallback to another folder.',
    );
    for (const { output } of jobs) await assertWritable(output);
    const rows = await scoreJobs(jobs, plan, io);
    if (rows.every((row) => Object.keys(row.values).length === 0)) return undefined;
    return formatMetrics('dataset', rows, { decorated: io.stdout.isTTY === true });
  } finally {
    for (const { dataset } of jobs) await dataset.close();
  }
}

async function openJob(settings: RunSettings, plan: ReRankPlan, registry: DatasetRegistry, io: CliIo): Promise<Job> {
  await assertRunExists(settings, registry);
  const dataset = await RunDataset.open(
    {
      runPathOrId: settings.run_path_or_id,
      depth: settings.depth,
      sampleSize: settings.sample_size,
      ...(settings.dataset === null ? {} : { dataset: settings.dataset }),
    },
    registry,
    { signal: io.signal, onProgress: indexingNotes(io) },
  );
  for (const warning of dataset.warnings) warn(io, warning);
  const isFile = dataset.runPath !== undefined;
  const named = isFile ? settings.run_path_or_id : (registry.find(settings.run_path_or_id)?.id ?? dataset.datasetId);
  return {
    dataset,
    label: isFile ? basename(named) : named,
    output: runPath(plan.model, named, isFile, plan.naming),
  };
}

/** A wrong path is the commonest mistake, so its error says where the path was written. */
async function assertRunExists(settings: RunSettings, registry: DatasetRegistry): Promise<void> {
  const { run_path_or_id: named, place } = settings;
  const kind = await stat(named).then(
    (found) => (found.isFile() ? 'file' : 'folder'),
    () => 'nothing',
  );
  if (kind === 'file' || registry.find(named)) return;
  const ids = registry.ids();
  const problem = kind === 'folder' ? 'is a folder, not a run file' : 'no such run file, nor a dataset of this id';
  throw new RankDistillmError('not_found', `${place}: run_path_or_id: ${named}: ${problem}`, {
    hint:
      'Check the path; relative paths start from the current working directory. ' +
      (ids.length === 0 ? 'No dataset is registered.' : `Registered datasets: ${ids.join(', ')}.`),
  });
}

const INDEXING_NOTE_MS = 5_000;

/** A large collection is indexed for minutes the first time; silence would look like a hang. */
function indexingNotes(io: CliIo): (documents: number) => void {
  let shownAt = performance.now();
  return (documents) => {
    if (performance.now() - shownAt < INDEXING_NOTE_MS) return;
    shownAt = performance.now();
    note(io, `indexing the collection, ${documents} documents so far (kept for the next time)`);
  };
}

async function scoreJobs(jobs: readonly Job[], plan: ReRankPlan, io: CliIo): Promise<MetricsRow[]> {
  const rows: MetricsRow[] = [];
  let model: CrossEncoder | undefined;
  try {
    for (const job of jobs) {
      throwIfAborted(io.signal);
      let entries: Iterable<ScoredEntry>;
      if (!plan.overwrite && existsSync(job.output)) {
        note(io, `${job.output} exists and is skipped; overwrite of ReRankCallback writes it again`);
        entries = plan.metrics.length > 0 ? await readRun(job.output) : [];
      } else {
        model ??= await loadModel(plan, io);
        entries = await scoreJob(job, model, plan, io);
      }
      rows.push({ label: job.label, values: await measure(job, entries, plan.metrics) });
    }
  } finally {
    await model?.close();
  }
  return rows;
}

function loadModel(plan: ReRankPlan, io: CliIo): Promise<CrossEncoder> {
  return CrossEncoder.load(plan.model, {
    precision: plan.precision,
    config: plan.overrides,
    signal: io.signal,
    onWarning: (message) => warn(io, message),
    ...(plan.seed === undefined ? {} : { seed: plan.seed }),
  });
}

async function scoreJob(job: Job, model: CrossEncoder, plan: ReRankPlan, io: CliIo) {
  const total = job.dataset.countPairs();
  const progress: Progress | undefined = plan.showProgress
    ? createProgress({ label: job.label, total, unit: 'pairs', stream: io.stderr })
    : undefined;
  const topics: ScoredTopic[] = [];
  try {
    const result = await rerank({
      model,
      dataset: job.dataset,
      outputPath: job.output,
      tag: model.modelClass, // as lightning-ir writes it
      signal: io.signal,
      onProgress: ({ pairs }) => progress?.update(pairs),
      onTopic: (queryId, documents) => {
        if (plan.metrics.length === 0) return;
        topics.push({
          queryId,
          docIds: documents.map((document) => document.docId),
          scores: Float32Array.from(documents, (document) => document.score),
        });
      },
    });
    progress?.stop();
    const rate = (result.pairs / result.seconds).toFixed(1);
    note(
      io,
      `wrote ${job.output}: ${result.pairs} pairs of ${result.topics} topics in ` +
        `${formatDuration(result.seconds)} (${rate} pairs/s, ${result.precision})`,
    );
    return entriesOf(topics);
  } catch (error) {
    progress?.stop();
    throw error;
  }
}

async function measure(job: Job, entries: Iterable<ScoredEntry>, metrics: readonly string[]) {
  const qrels = metrics.length > 0 ? await job.dataset.qrels() : undefined;
  return qrels === undefined || qrels.length === 0 ? {} : evaluate(entries, qrels, metrics).mean;
}

const PARTS = ['docs', 'queries', 'qrels', 'docpairs', 'scoreddocs'] as const;

function partsOf(files: DatasetFiles): DatasetParts {
  const parts: DatasetParts = {};
  for (const part of PARTS) {
    const path = files[part];
    if (path !== null) parts[part] = path;
  }
  return parts;
}

function inputFiles(plan: ReRankPlan, registry: DatasetRegistry): string[] {
  const runs = plan.datasets.map((dataset) => dataset.run_path_or_id);
  const files = registry.ids().flatMap((id) => {
    const dataset = registry.find(id);
    return PARTS.flatMap((part) => dataset?.[part] ?? []);
  });
  return [...runs, ...files];
}
