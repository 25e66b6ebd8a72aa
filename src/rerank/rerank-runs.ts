import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { checkOptions, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { reRankCallbackKeys } from '../config/schema/callbacks.js';
import { key } from '../config/schema/fields.js';
import { trainer } from '../config/schema/trainer.js';
import { aboutSetting, SettingError } from '../config/setting-error.js';
import type { CollectionIndexOptions } from '../data/collection/index-cache.js';
import { readRun } from '../data/run-file.js';
import type { RunEntry } from '../data/records.js';
import { DatasetRegistry } from '../data/registry.js';
import { RunDataset } from '../data/run-dataset.js';
import { checkRunOptions, type RunDatasetOptions } from '../data/run-options.js';
import type { WrittenRun } from '../data/write-run.js';
import { CrossEncoder, loadOptions } from '../engine/cross-encoder.js';
import {
  modelKeys,
  given,
  passed,
  resolveEngine,
  scoringPrecision,
  type ResolvedEngine,
} from '../engine/engine-options.js';
import { loadBinding } from '../engine/load-binding.js';
import { throwIfAborted, warner } from '../errors.js';
import { evaluateScored, type MeasureValues } from '../evaluate/evaluate.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import { fingerprintFile, fingerprintLargeFile } from '../io/fingerprint.js';
import { holdInputs, overInput } from '../io/inputs.js';
import { assertWritable, isThere } from '../io/output-file.js';
import { isPlainName } from '../io/plain-name.js';
import { packageVersion } from '../io/package-version.js';
import { KeptElsewhereError } from '../io/pending-file.js';
import { changedWhileRead } from '../io/regions.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { fingerprintModel, modelSettings } from '../models/fingerprint.js';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import { modelFolderFiles } from '../models/save-model.js';
import { limitBatches, plainLimit } from '../train/train-limits.js';
import {
  assertSameResult,
  outputError,
  provenancePath,
  readProvenance,
  writeProvenance,
  type RunIdentity,
} from './provenance.js';
import { rerank, type RerankProgress, type RerankResult } from './rerank.js';
import { defaultRunFolder } from './run-path.js';

const { timed: _, ...keys } = modelKeys;

export const rerankRunsOptions = z.strictObject({
  ...keys,
  model: key(z.string().min(1), 'Folder of a model, or a Hugging Face id.'),
  seed: loadOptions.shape.seed,
  runs: given<readonly RunDatasetOptions[]>('a list', 'Options of a RunDataset each.'),
  registry: passed<DatasetRegistry>('an object', 'Files of the datasets. Default: none.'),
  indexing: passed<CollectionIndexOptions>('an object', 'How collections are indexed.'),
  batch_size: key(
    z.int().min(1).default(1),
    'Topics per batch (`inference_batch_size`), the unit of limitTestBatches.',
  ),
  limit_test_batches: trainer.shape.limit_test_batches,
  save_dir: reRankCallbackKeys.save_dir,
  run_name: reRankCallbackKeys.run_name,
  overwrite: reRankCallbackKeys.overwrite,
  metrics: key(z.array(z.string().min(1)).default([]), 'Measures such as `nDCG@10`, for runs with qrels.'),
  command: key(z.string().optional(), 'Command line, for the record of each run.'),
  on_progress: passed<(progress: RerankProgress & { label: string }) => void>(
    'a function',
    'Called after each window of pairs.',
  ),
  on_run: passed<(run: RerankedRun) => void>('a function', 'Called after each run.'),
  on_note: passed<(message: string) => void>(
    'a function',
    'Receives messages that are not warnings. Default: they are dropped.',
  ),
});

/** Options of `rerankRuns`: the names of the YAML in camel case. */
export type RerankRunsOptions = OptionsOf<typeof rerankRunsOptions>;
type RerankRunsSettings = SettingsOf<typeof rerankRunsOptions>;

/** Result for one run. */
export interface RerankedRun {
  /** File name of the input, or the id of the dataset. */
  label: string;
  datasetId: string;
  outputPath: string;
  /** Undefined: the same result exists already, so nothing was scored. */
  scoring: RerankResult | undefined;
  topics: number;
  pairs: number;
  /** Means over the scored topics; empty without qrels or measures. */
  metrics: MeasureValues;
  /** Judged topics that were not scored; the means exclude them. */
  unscoredTopics: number;
}

/** Bytes of a line of a run, at least: two ids, Q0, a rank, a score and the tag. */
const LEAST_LINE_BYTES = 24;

/** A run to write. */
interface Job {
  dataset: RunDataset;
  /** Number of topics to score. */
  topics: number;
  outputPath: string;
  identity: RunIdentity;
  /** The result exists already. */
  isDone: boolean;
}

/**
 * Re-ranks runs, as `rank-distillm re_rank` does; see docs/cli.md. For each input it writes a run and its provenance
 * (`<name>.run.json`) and computes the measures. An existing output is skipped if its provenance matches, otherwise it
 * is an error. All runs are opened and checked before the model is loaded.
 *
 * @throws RankDistillmError `bad_input`, `not_found`, `unsupported`, `io`, `native`, `aborted`; completed runs stay
 */
export async function rerankRuns(given: RerankRunsOptions): Promise<RerankedRun[]> {
  const options = checkOptions(rerankRunsOptions, given);
  throwIfAborted(options.signal);
  options.runs.forEach((run, i) => aboutSetting(['runs', i], () => checkRunOptions(run)));
  checkRunName(options.runName);
  const measures = [...new Set(options.metrics.map((name) => parseMeasure(name).name))];
  const { device, precision, tf32, memoryFraction, threads, tokenizerThreads, signal } = options;
  resolveEngine(options, false);
  const warn = warner(options.onWarning);
  const engine = { device, precision, tf32, memoryFraction, threads, tokenizerThreads, signal, onWarning: warn };
  // reads headers only, so that a wrong model fails before a collection is indexed for minutes
  const { config: overrides, revision, label, seed } = options;
  const checkpoint = await loadCheckpoint(options.model, { overrides, revision, label, seed, freshHead: false });
  using _inputs = holdInputs([...(await modelFolderFiles(checkpoint.folder)), ...(options.registry?.files() ?? [])]);
  const datasets: RunDataset[] = [];
  let model: CrossEncoder | undefined;
  try {
    const jobs = await openJobs(datasets, options, checkpoint, warn);
    const done: RerankedRun[] = [];
    for (const job of jobs) {
      throwIfAborted(signal);
      if (!job.isDone) model ??= await loadUnchanged(checkpoint, engine, job.identity);
      const run = await finish(job, model, measures, options);
      options.onRun?.(run);
      done.push(run);
    }
    return done;
  } finally {
    await model?.close();
    for (const dataset of datasets) await dataset.close();
  }
}

function checkRunName(name: string | null): void {
  if (name === null || isPlainName(name)) return;
  throw new SettingError(['run_name'], `expected the name of a file, received "${name}"`, {
    hint: 'Name the folder in $save_dir.',
  });
}

/**
 * Opens and checks every run before the first one is scored.
 *
 * @param opened receives the datasets, which the caller closes
 */
async function openJobs(
  opened: RunDataset[],
  options: RerankRunsSettings,
  checkpoint: Checkpoint,
  warn: (message: string) => void,
): Promise<Job[]> {
  const jobs: Job[] = [];
  const { registry = new DatasetRegistry(), runs, signal, overwrite } = options;
  if (runs.length === 0) {
    throw new SettingError(['runs'], 'there is nothing to re-rank', { hint: 'List at least one run.' });
  }
  const engine = resolveEngine(options, false);
  const model = await modelOf(options, checkpoint);
  const computed = computedBy(engine, checkpoint);
  const folder =
    options.saveDir ?? (await defaultRunFolder(checkpoint, options.revision, options.onNote ?? (() => undefined)));
  for (const run of runs) {
    throwIfAborted(signal);
    const dataset = await RunDataset.open(run, registry, { signal, ...options.indexing });
    opened.push(dataset);
    for (const warning of dataset.warnings) warn(warning);
    dataset.assertWritable();
    const topics = topicsOf(dataset, options);
    const outputPath = join(folder, options.runName ?? `${dataset.runName}.run`);
    const identity = { model, ...(await inputOf(run, dataset, topics, options)), computed };
    jobs.push({ dataset, topics, outputPath, identity, isDone: false });
  }
  refuseSharedOutputs(jobs);
  const outputs = jobs.flatMap(({ outputPath }) => [outputPath, provenancePath(outputPath)]);
  for (const output of outputs) {
    const problem = overInput(output);
    if (problem === undefined) continue;
    throw outputError(problem, { hint: 'Set $save_dir to another folder, or $run_name to another name.' });
  }
  for (const job of jobs) {
    await assertWritable(job.outputPath, job.dataset.countPairs(job.topics) * LEAST_LINE_BYTES);
    if (overwrite || !(await isThere(job.outputPath)))
      await readProvenance(job.outputPath); // throws if the file is not a provenance record
    else {
      await assertSameResult(job.outputPath, job.identity);
      job.isDone = true;
    }
    await assertWritable(provenancePath(job.outputPath));
  }
  return jobs;
}

async function modelOf({ model, label }: RerankRunsSettings, checkpoint: Checkpoint): Promise<RunIdentity['model']> {
  const { name, folder } = checkpoint;
  const settings = { ...modelSettings(checkpoint), ...(label === undefined ? {} : { label }) };
  // the folder of a hub snapshot is named after its commit
  const revision = folder === name ? null : basename(folder);
  return { name: model, folder: resolve(folder), revision, ...(await fingerprintModel(checkpoint)), settings };
}

function computedBy(engine: ResolvedEngine, { encoder }: Checkpoint): RunIdentity['computed'] {
  const onGpu = engine.device !== 'cpu';
  return {
    precision: scoringPrecision(engine, encoder, loadBinding().info()),
    device: engine.device,
    tf32: onGpu && engine.native.tf32 === true,
    bfloat16_stream: onGpu && engine.native.bfloat16Stream === true,
  };
}

function topicsOf(dataset: RunDataset, { batchSize, limitTestBatches }: RerankRunsSettings): number {
  const available = dataset.countTopics();
  const path = ['limit_test_batches'];
  const batches = limitBatches(path, limitTestBatches, Math.ceil(available / batchSize));
  if (batches > 0) return Math.min(batches * batchSize, available);
  throw new SettingError(path, '0 leaves nothing to re-rank', {
    hint: 'Omit it, or set a number of batches.',
  });
}

async function inputOf(
  { depth = -1, sampleSize = -1 }: RunDatasetOptions,
  dataset: RunDataset,
  topics: number,
  { batchSize, limitTestBatches }: RerankRunsSettings,
): Promise<Omit<RunIdentity, 'model' | 'computed'>> {
  const { run, docs, queries, qrels, repairsDocs: repaired } = dataset.files;
  const named = (path: string | undefined) => (path === undefined ? null : resolve(path));
  return {
    input: {
      path: resolve(run),
      fingerprint: await fingerprintFile(run),
      depth,
      sample_size: sampleSize,
      sampling_strategy: 'top',
    },
    dataset: {
      id: dataset.datasetId,
      docs:
        docs === undefined ? null : { path: resolve(docs), fingerprint: await fingerprintLargeFile(docs), repaired },
      queries: named(queries),
      qrels: named(qrels),
    },
    topics: { scored: topics, of: dataset.countTopics(), ...dataset.fingerprintTopics(topics) },
    limit: limitTestBatches === null ? null : plainLimit(limitTestBatches),
    batch_size: batchSize,
  };
}

function refuseSharedOutputs(jobs: readonly Job[]): void {
  const owners = new Map<string, number>();
  for (const [index, { outputPath }] of jobs.entries()) {
    const other = owners.get(resolve(outputPath));
    if (other === undefined) {
      owners.set(resolve(outputPath), index);
      continue;
    }
    const [first, second] = [other, index].map((i) => `${i + 1} (${jobs[i]!.dataset.files.run})`);
    const problem = `datasets ${first} and ${second} would both be written to ${outputPath}`;
    throw outputError(problem, {
      hint: 'Omit $run_name, or rename one of the input files, so that each dataset has a different output file.',
    });
  }
}

/** Loads the model and checks that its files still match the fingerprints of the provenance. */
async function loadUnchanged(
  checkpoint: Checkpoint,
  options: Parameters<typeof CrossEncoder.fromCheckpoint>[1],
  { model: { weights, files } }: RunIdentity,
): Promise<CrossEncoder> {
  const model = await CrossEncoder.fromCheckpoint(checkpoint, options);
  const found = await fingerprintModel(checkpoint);
  if (found.weights === weights && found.files === files) return model;
  await model.close();
  throw changedWhileRead(checkpoint.folder);
}

async function finish(
  job: Job,
  model: CrossEncoder | undefined,
  measures: readonly string[],
  options: RerankRunsSettings,
): Promise<RerankedRun> {
  const { dataset, topics, outputPath, identity } = job;
  let entries: ScoredEntry[] = [];
  let scoring: RerankResult | undefined;
  if (job.isDone) {
    if (measures.length > 0) entries = await readRun(outputPath);
  } else {
    const { precision } = model!;
    const start = performance.now();
    const record = (path: string, written: WrittenRun, seconds: number): Promise<void> =>
      writeProvenance(
        path,
        written,
        { ...identity, computed: { ...identity.computed, precision } },
        {
          timing: { pairs: dataset.countPairs(topics), seconds: Number(seconds.toPrecision(6)) },
          by: `rank-distillm ${packageVersion()}`,
          command: options.command,
        },
      );
    scoring = await score(job, model!, options, (topic) => {
      if (measures.length > 0) entries.push(...topic);
    }).catch(async (error: unknown) => {
      // with its record, the run can be moved to its place later
      if (error instanceof KeptElsewhereError) {
        await record(error.kept, await describeRun(error.kept), (performance.now() - start) / 1000);
      }
      throw error;
    });
    await record(outputPath, scoring, scoring.seconds);
  }
  const qrels = measures.length > 0 ? await dataset.qrels() : undefined;
  const { mean, unscored } = evaluateScored(entries, qrels ?? [], measures);
  return {
    label: dataset.label,
    datasetId: dataset.datasetId,
    outputPath,
    scoring,
    topics,
    pairs: dataset.countPairs(topics),
    metrics: mean,
    unscoredTopics: unscored,
  };
}

async function describeRun(path: string): Promise<WrittenRun> {
  return { bytes: (await stat(path)).size, fingerprint: await fingerprintFile(path) };
}

type ScoredEntry = Pick<RunEntry, 'queryId' | 'docId' | 'score'>;

function score(
  { dataset, topics, outputPath }: Job,
  model: CrossEncoder,
  { signal, onProgress }: RerankRunsSettings,
  onTopic: (entries: ScoredEntry[]) => void,
): Promise<RerankResult> {
  const { label, inputFiles } = dataset;
  return rerank({
    model,
    dataset: { inputFiles, countPairs: () => dataset.countPairs(topics), samples: () => dataset.samples(topics) },
    outputPath,
    tag: model.modelClass, // as lightning-ir writes it
    signal,
    onProgress: (progress) => onProgress?.({ ...progress, label }),
    onTopic: (queryId, documents) => onTopic(documents.map((document) => ({ queryId, ...document }))),
  });
}
