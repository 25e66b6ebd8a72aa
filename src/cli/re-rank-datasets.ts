import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import { readRun } from '../data/run-file.js';
import type { RunEntry } from '../data/records.js';
import type { DatasetRegistry } from '../data/registry.js';
import { RunDataset } from '../data/run-dataset.js';
import { CrossEncoder } from '../engine/cross-encoder.js';
import { throwIfAborted } from '../errors.js';
import { evaluate } from '../evaluate/evaluate.js';
import { formatDuration } from '../report/duration.js';
import { onDevice } from '../report/on-device.js';
import { createProgress, type Progress } from '../report/progress.js';
import { formatMetrics, type MetricsRow } from '../report/table.js';
import { rerank } from '../rerank/rerank.js';
import { limitBatches } from '../train/train-limits.js';
import { note, warn, type CliIo } from './cli-io.js';
import type { RunSettings } from './config-plan.js';
import { assertSourceExists, indexingNotes, registeredFiles, registryOf } from './open-datasets.js';
import { assertWritable, refuseCollisions } from './output-files.js';
import type { ReRankPlan } from './re-rank-plan.js';
import { runPath } from './run-path.js';

/** One dataset and the run to be written for it. */
interface Job {
  dataset: RunDataset;
  /** How many of its topics are scored. */
  topics: number;
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
  const registry = registryOf(plan.registered);
  const jobs: Job[] = [];
  try {
    for (const settings of plan.datasets) {
      throwIfAborted(io.signal);
      const job = await openJob(settings, plan, registry, io);
      jobs.push(job);
      job.dataset.assertWritable();
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
  const { run_path_or_id: named, place } = settings;
  await assertSourceExists({ key: 'run_path_or_id', named, place, kind: 'run' }, registry);
  const dataset = await RunDataset.open(
    {
      runPathOrId: named,
      depth: settings.depth,
      sampleSize: settings.sample_size,
      ...(settings.dataset === null ? {} : { dataset: settings.dataset }),
    },
    registry,
    { signal: io.signal, onProgress: indexingNotes(io) },
  );
  for (const warning of dataset.warnings) warn(io, warning);
  const batches = limitBatches(plan.limitPlace, plan.limit, Math.ceil(dataset.countTopics() / plan.batchSize));
  const isFile = dataset.runPath !== undefined;
  const runName = isFile ? named : (registry.find(named)?.id ?? dataset.datasetId);
  return {
    dataset,
    topics: Math.min(batches * plan.batchSize, dataset.countTopics()),
    label: isFile ? basename(named) : runName,
    output: runPath(plan.model, runName, isFile, plan.naming),
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
      rows.push({ label: job.label, values: await measure(job, entries, plan.metrics, io) });
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
    ...plan.engine,
    seed: plan.seed,
  });
}

async function scoreJob(job: Job, model: CrossEncoder, plan: ReRankPlan, io: CliIo) {
  const { dataset, topics: count } = job;
  const total = dataset.countPairs(count);
  const progress: Progress | undefined = plan.showProgress
    ? createProgress({ label: job.label, total, unit: 'pairs', stream: io.stderr })
    : undefined;
  const topics: ScoredTopic[] = [];
  try {
    const result = await rerank({
      model,
      dataset: { countPairs: () => total, samples: () => dataset.samples(count) },
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
        `${formatDuration(result.seconds)} (${rate} pairs/s, ${onDevice(result)})`,
    );
    return entriesOf(topics);
  } catch (error) {
    progress?.stop();
    throw error;
  }
}

/** The mean is over the topics that were scored, as lightning-ir's; trec_eval's, and our evaluate's, is over all judged. */
async function measure(job: Job, entries: Iterable<ScoredEntry>, metrics: readonly string[], io: CliIo) {
  const qrels = metrics.length > 0 ? await job.dataset.qrels() : undefined;
  if (qrels === undefined || qrels.length === 0) return {};
  const run = [...entries];
  const scored = new Set(run.map(({ queryId }) => queryId));
  const judged = qrels.filter(({ queryId }) => scored.has(queryId));
  const missing =
    new Set(qrels.map(({ queryId }) => queryId)).size - new Set(judged.map(({ queryId }) => queryId)).size;
  if (missing > 0) note(io, `note: ${job.label}: ${missing} judged topics were not scored and are not in the mean`);
  return judged.length === 0 ? {} : evaluate(run, judged, metrics).mean;
}

function inputFiles(plan: ReRankPlan, registry: DatasetRegistry): string[] {
  return [...plan.datasets.map((dataset) => dataset.run_path_or_id), ...registeredFiles(registry)];
}
