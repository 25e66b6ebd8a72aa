import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { SettingError } from '../config/setting-error.js';
import { DatasetRegistry } from '../data/registry.js';
import { RunDataset } from '../data/run-dataset.js';
import type { RunDatasetOptions } from '../data/run-options.js';
import { chooseArithmetic, nameOf, type ArithmeticChoice } from '../engine/arithmetic.js';
import { resolveEngine, type ResolvedEngine } from '../engine/engine-options.js';
import { throwIfAborted } from '../errors.js';
import { differences, fingerprintFile, fingerprintLargeFile, type Facts } from '../io/fingerprint.js';
import { overInput } from '../io/inputs.js';
import { bindingOf } from '../io/load-binding.js';
import { assertWritable, isThere } from '../io/output-file.js';
import { packageVersion } from '../io/package-version.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { fingerprintModel, modelSettings } from '../models/fingerprint.js';
import { isFirst, oncePerHost } from '../ranks/rank-group.js';
import { limitBatches, plainLimit } from '../train/train-limits.js';
import { journalPath, RunJournal } from './journal.js';
import {
  assertSameResult,
  factsOf,
  outputError,
  provenancePath,
  readProvenance,
  runIdentity,
  type RunIdentity,
} from './provenance.js';
import type { RerankRunsSettings } from './rerank-options.js';
import { defaultRunFolder } from './run-path.js';
import { shardName, topicsOfShard } from './shards.js';

/** Bytes of a line of a run, at least: two ids, Q0, a rank, a score and the tag. */
const LEAST_LINE_BYTES = 24;

/** A run to write. */
export interface Job {
  dataset: RunDataset;
  /** Indices of the topics to score, ascending. */
  topics: readonly number[];
  outputPath: string;
  identity: RunIdentity;
  /** Finished topics, by their position in `topics`. Undefined: the result exists already. */
  journal: RunJournal | undefined;
}

/** The first line of a journal. */
const journalHeader = z.object({
  begun: z.string(),
  // both may change the last bits of a score: a run is not put together from two kinds
  by: z.string(),
  kernels: z.string(),
  identity: runIdentity,
});
type JournalHeader = z.infer<typeof journalHeader>;

/**
 * Opens and checks every run before the first one is scored.
 *
 * @param opened receives the datasets and journals, which the caller closes
 */
export async function openJobs(
  opened: { datasets: RunDataset[]; journals: RunJournal[] },
  options: RerankRunsSettings,
  checkpoint: Checkpoint,
  warn: (message: string) => void,
): Promise<Job[]> {
  const jobs: Job[] = [];
  const { registry = new DatasetRegistry(), runs, shard, signal } = options;
  if (runs.length === 0) {
    throw new SettingError(['runs'], 'there is nothing to re-rank', { hint: 'List at least one run.' });
  }
  const engine = resolveEngine(options, false);
  const model = await modelOf(options, checkpoint);
  const { group } = options;
  const isWriter = isFirst(group);
  const { device, compute: asked } = engine;
  const { encoder } = checkpoint;
  const use = { device, asked, encoder, work: 'scoring' } as const;
  const computed = computedBy(engine, await chooseArithmetic(bindingOf(device), use));
  const folder =
    options.saveDir ?? (await defaultRunFolder(checkpoint, options.revision, options.onNote ?? (() => undefined)));
  for (const run of runs) {
    throwIfAborted(signal);
    const open = () => RunDataset.open(run, registry, { signal, ...options.indexing });
    // a collection is indexed by one rank of each host
    const dataset = await oncePerHost(group, open);
    opened.datasets.push(dataset);
    for (const warning of dataset.warnings) warn(warning);
    dataset.assertWritable();
    const all = countTopics(dataset, options);
    const topics = shard === undefined ? [...Array(all).keys()] : topicsOfShard(all, shard);
    if (topics.length === 0) {
      throw new SettingError(['shard'], `${dataset.label} has ${all} topics, too few for ${shard!.count} parts`, {
        hint: `Divide it into at most ${all} parts.`,
      });
    }
    const name = options.runName ?? `${dataset.runName}.run`;
    const outputPath = join(folder, shard === undefined ? name : shardName(name, shard));
    const refine = options.refine === null ? undefined : { top: options.refine, precision: 'float32' };
    const identity = {
      model,
      ...(await inputOf(run, dataset, { all, topics }, options)),
      ...(refine && { refine }),
      computed,
    };
    jobs.push({ dataset, topics, outputPath, identity, journal: undefined });
  }
  const kernels = device === 'cpu' ? bindingOf(device).info().kernels : 'a GPU';
  await group?.checkSame(factsOfAll(jobs, kernels));
  if (!isWriter) return jobs;
  refuseSharedOutputs(jobs);
  for (const { outputPath } of jobs) {
    for (const output of [outputPath, provenancePath(outputPath), await journalPath(outputPath)]) {
      const problem = overInput(output);
      if (problem === undefined) continue;
      throw outputError(problem, { hint: 'Set $save_dir to another folder, or $run_name to another name.' });
    }
  }
  const open: Job[] = [];
  for (const job of jobs) if (!(await isDone(job, options))) open.push(job);
  const by = `rank-distillm ${packageVersion()}`;
  const begun = { begun: new Date().toISOString(), by, kernels: device === 'cpu' ? kernels : device };
  for (const job of open) {
    job.journal = await openJournal(job, { ...begun, identity: job.identity }, options, warn);
    if (job.journal !== undefined) opened.journals.push(job.journal);
  }
  if (options.overwrite) await skipFinished(jobs, begun.begun);
  return jobs;
}

/** What ranks must have in common: one run is put together from the scores of all. */
function factsOfAll(jobs: readonly Job[], kernels: string): Facts {
  const release = { value: packageVersion() };
  const facts = jobs.flatMap(({ dataset, identity }) =>
    Object.entries(factsOf(identity)).map(([name, fact]) => [
      `${name} of ${dataset.label}`,
      { ...fact, ...(fact.follows && { follows: `${fact.follows} of ${dataset.label}` }) },
    ]),
  );
  return { 'the release': release, 'the CPU': { value: kernels }, ...(Object.fromEntries(facts) as Facts) };
}

/**
 * Checks that run and record can be written, and that an existing run may be replaced or is the same result.
 *
 * @returns whether the result exists, and nothing is left to be done
 */
async function isDone(
  { outputPath, dataset, topics, identity }: Job,
  { overwrite }: RerankRunsSettings,
): Promise<boolean> {
  // the run and its journal
  await assertWritable(outputPath, 2 * dataset.countPairs(topics) * LEAST_LINE_BYTES);
  const mayExist = !overwrite && (await isThere(outputPath));
  const hasJournal = await isThere(await journalPath(outputPath));
  if (!mayExist)
    await readProvenance(outputPath); // throws if the file is not a provenance record
  else if (!hasJournal) await assertSameResult(outputPath, identity);
  await assertWritable(provenancePath(outputPath));
  return mayExist && !hasJournal;
}

/**
 * The journal of a run: that of an interrupted call for the same result, or a new one.
 *
 * @returns undefined if the result exists already
 * @throws RankDistillmError `bad_input` for an existing run or a journal of another result, without `overwrite`
 */
async function openJournal(
  { outputPath, identity, topics }: Job,
  header: JournalHeader,
  { overwrite }: RerankRunsSettings,
  warn: (message: string) => void,
): Promise<RunJournal | undefined> {
  const journal = await RunJournal.open(outputPath, warn);
  try {
    const found = journalHeader.safeParse(journal.header).data;
    const differ = found === undefined ? undefined : differences(journalFacts(found), journalFacts(header));
    const isSame = differ?.length === 0;
    // under the lock: another process may have written the run since
    if (!overwrite && (await isThere(outputPath))) {
      // a process that ended between the run and its record left both run and journal whole
      const isWhole = isSame && journal.count === topics.length;
      if (!isWhole || (await journal.fingerprint(topics.length)) !== (await fingerprintFile(outputPath))) {
        await assertSameResult(outputPath, identity);
        await (isSame ? journal.remove() : journal.close());
        return undefined;
      }
    }
    if (differ !== undefined && !isSame && journal.count > 0 && !overwrite) {
      const what = `holds ${journal.count} topics of an interrupted run, but of another result`;
      throw outputError(`${journal.name}: ${what}: ${differ.join('; ')}`, {
        hint: 'Set $overwrite to drop these topics, or $save_dir or $run_name to keep them.',
      });
    }
    if (journal.damagedBytes > 0) {
      const what = 'are incomplete or damaged, and the topics that they held are scored again';
      warn(`${journal.name}: the last ${journal.damagedBytes} bytes ${what}`);
    }
    await (isSame ? journal.continue() : journal.begin(header));
    return journal;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

function journalFacts({ identity, by, kernels }: JournalHeader): Facts {
  return { ...factsOf(identity), 'the version': { value: by }, 'the CPU': { value: kernels } };
}

/**
 * With `overwrite`, an interrupted command of several runs has replaced some of them already. Those are not computed once
 * more: their records are younger than the journal of a run that it did not finish.
 *
 * @param now when this command began
 */
async function skipFinished(jobs: readonly Job[], now: string): Promise<void> {
  const begun = jobs.flatMap(({ journal }) => (journal === undefined ? [] : [String(journal.header!['begun'])]));
  const first = begun.sort()[0] ?? now;
  if (first === now) return;
  for (const job of jobs) {
    const isFresh = job.journal?.header?.['begun'] === now;
    const record = isFresh && (await isThere(job.outputPath)) ? await readProvenance(job.outputPath) : undefined;
    if (record === undefined || record.written.at < first) continue;
    const isSame = await assertSameResult(job.outputPath, job.identity).then(
      () => true,
      () => false,
    );
    if (!isSame) continue;
    await job.journal!.remove();
    job.journal = undefined;
  }
}

async function modelOf({ model, label }: RerankRunsSettings, checkpoint: Checkpoint): Promise<RunIdentity['model']> {
  const { name, folder } = checkpoint;
  const settings = { ...modelSettings(checkpoint), ...(label === undefined ? {} : { label }) };
  // the folder of a hub snapshot is named after its commit
  const revision = folder === name ? null : basename(folder);
  return { name: model, folder: resolve(folder), revision, ...(await fingerprintModel(checkpoint)), settings };
}

function computedBy(engine: ResolvedEngine, choice: ArithmeticChoice): RunIdentity['computed'] {
  const onGpu = engine.device !== 'cpu';
  return {
    precision: choice.products,
    ...(onGpu ? {} : { arithmetic: nameOf(choice) }),
    device: engine.device,
    tf32: onGpu && engine.native.tf32 === true,
    bfloat16_stream: onGpu && engine.native.bfloat16Stream === true,
  };
}

/** Number of topics to score, in all shards. */
function countTopics(dataset: RunDataset, { batchSize, limitTestBatches }: RerankRunsSettings): number {
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
  { all, topics }: { all: number; topics: readonly number[] },
  { batchSize, limitTestBatches, shard }: RerankRunsSettings,
): Promise<Omit<RunIdentity, 'model' | 'refine' | 'computed'>> {
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
    topics: { scored: all, of: dataset.countTopics(), ...dataset.fingerprintTopics(all) },
    ...(shard && { shard: { ...shard, scored: topics.length, ids: dataset.fingerprintTopics(topics).ids } }),
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
