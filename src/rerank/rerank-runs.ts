import { stat } from 'node:fs/promises';
import type { ComputePrecision } from '../../binding.js';
import { checkOptions } from '../config/read-settings.js';
import { aboutSetting, SettingError } from '../config/setting-error.js';
import type { RunEntry } from '../data/records.js';
import { readRun } from '../data/run-file.js';
import type { RunDataset } from '../data/run-dataset.js';
import { checkRunOptions } from '../data/run-options.js';
import { topicText, writeRunText, type WrittenRun } from '../data/write-run.js';
import { CrossEncoder } from '../engine/cross-encoder.js';
import { resolveEngine } from '../engine/engine-options.js';
import { RankDistillmError, throwIfAborted, warner } from '../errors.js';
import { evaluateScored } from '../evaluate/evaluate.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import { fingerprintFile } from '../io/fingerprint.js';
import { holdInputs } from '../io/inputs.js';
import { isPlainName } from '../io/plain-name.js';
import { packageVersion } from '../io/package-version.js';
import { KeptElsewhereError } from '../io/pending-file.js';
import { changedWhileRead } from '../io/regions.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { fingerprintModel } from '../models/fingerprint.js';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import { modelFolderFiles } from '../models/save-model.js';
import { isFirst } from '../ranks/rank-group.js';
import { DividedTopics, type DividedWork, type FinishedTopic } from './divided-topics.js';
import type { RunJournal } from './journal.js';
import { openJobs, type Job } from './open-jobs.js';
import { writeProvenance, type RunIdentity } from './provenance.js';
import {
  rerankRunsOptions,
  type RerankedRun,
  type RerankRunsOptions,
  type RerankRunsSettings,
} from './rerank-options.js';
import { addCounts, type Counts, type RerankResult, type SampleWork, scoreSamples } from './rerank.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import { checkShard } from './shards.js';

/**
 * Re-ranks runs, as `rank-distillm re_rank` does; see docs/cli.md. For each input it writes a run and its provenance
 * (`<name>.run.json`) and computes the measures. An existing output is skipped if its provenance matches, otherwise it
 * is an error. All runs are opened and checked before the model is loaded.
 *
 * Each finished topic is kept in a journal beside the run, so that the same call continues after an end in any way: an
 * abort, an error, a crash.
 *
 * @throws RankDistillmError `bad_input`, `not_found`, `unsupported`, `io`, `native`, `aborted`; completed runs and topics stay
 */
export async function rerankRuns(given: RerankRunsOptions): Promise<RerankedRun[]> {
  const options = checkOptions(rerankRunsOptions, given);
  throwIfAborted(options.signal);
  options.runs.forEach((run, i) => aboutSetting(['runs', i], () => checkRunOptions(run)));
  checkRunName(options.runName);
  if (options.shard) checkShard(options.shard);
  const measures = [...new Set(options.metrics.map((name) => parseMeasure(name).name))];
  const { device, precision, tf32, memoryFraction, tokenizerThreads, signal, group } = options;
  const threads = options.threads ?? group?.threads;
  resolveEngine(options, false);
  const warn = warner(options.onWarning);
  const engine = { device, precision, tf32, memoryFraction, threads, tokenizerThreads, signal, onWarning: warn };
  // reads headers only, so that a wrong model fails before a collection is indexed for minutes
  const { config: overrides, revision, label, seed } = options;
  const checkpoint = await loadCheckpoint(options.model, { overrides, revision, label, seed, freshHead: false });
  using _inputs = holdInputs([...(await modelFolderFiles(checkpoint.folder)), ...(options.registry?.files() ?? [])]);
  const opened = { datasets: [] as RunDataset[], journals: [] as RunJournal[] };
  const done: RerankedRun[] = [];
  let model: CrossEncoder | undefined;
  let current: Job | undefined;
  try {
    for (const [i, job] of (await openJobs(opened, options, checkpoint, warn)).entries()) {
      throwIfAborted(signal);
      current = job;
      const { journal, topics } = job;
      const own = journal === undefined ? [] : [...topics.keys()].filter((position) => !journal.has(position));
      const rest = (await group?.fromFirst(own)) ?? own;
      if (rest.length > 0) model ??= await loadUnchanged(checkpoint, engine, job.identity);
      const work: Work = { rest, divided: group && new DividedTopics(group, `run ${i}`, rest) };
      if (!isFirst(group)) {
        if (model !== undefined && rest.length > 0) await help(job, model, work, options);
        continue;
      }
      const run = await finish(job, model, work, measures, options);
      options.onRun?.(run);
      done.push(run);
    }
    return done;
  } catch (error) {
    throw await withWayOn(error, current, options);
  } finally {
    await model?.close();
    // tells the next call with `overwrite` which runs are done
    const keepEmpty = options.overwrite && done.length > 0;
    for (const journal of opened.journals) await journal.close(keepEmpty);
    for (const dataset of opened.datasets) await dataset.close();
  }
}

/** The error; that of an interruption says where the same call continues. */
async function withWayOn(error: unknown, job: Job | undefined, options: RerankRunsSettings): Promise<unknown> {
  const kept = (await job?.journal?.kept().catch(() => 0)) ?? 0;
  if (kept === 0) return error;
  const where = `${amount(kept)} of ${amount(job!.topics.length)} topics of ${job!.dataset.label} are kept`;
  const hint = 'The same command continues there.';
  if (error instanceof RankDistillmError && error.code === 'aborted') {
    return new RankDistillmError('aborted', `interrupted: ${where}`, { hint, cause: error });
  }
  options.onNote?.(`${where}. ${hint}`);
  return error;
}

const amount = (number: number): string => number.toLocaleString('en-US');

function checkRunName(name: string | null): void {
  if (name === null || isPlainName(name)) return;
  throw new SettingError(['run_name'], `expected the name of a file, received "${name}"`, {
    hint: 'Name the folder in $save_dir.',
  });
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
  work: Work,
  measures: readonly string[],
  options: RerankRunsSettings,
): Promise<RerankedRun> {
  const { dataset, topics, outputPath, journal, identity } = job;
  const isMeasured = measures.length > 0 && identity.shard === undefined;
  const earlierTopics = journal?.count ?? 0;
  let entries: ScoredEntry[] = [];
  let scoring: RerankResult | undefined;
  if (journal === undefined) {
    if (isMeasured) entries = await readRun(outputPath);
  } else {
    const precision = model?.precision ?? identity.computed.precision;
    const record = (path: string, written: WrittenRun): Promise<void> =>
      writeProvenance(
        path,
        written,
        { ...identity, computed: { ...identity.computed, precision } },
        {
          timing: { pairs: dataset.countPairs(topics), seconds: Number(journal.seconds.toPrecision(6)) },
          by: `rank-distillm ${packageVersion()}`,
          command: options.command,
        },
      );
    scoring = await score(job as JobToDo, model, work, options, (text) => {
      if (isMeasured) for (const entry of entriesOf(text)) entries.push(entry);
    }).catch(async (error: unknown) => {
      // with its record, the run can be moved to its place later
      if (error instanceof KeptElsewhereError) await record(error.kept, await describeRun(error.kept));
      throw error;
    });
    await record(outputPath, scoring);
    await journal.remove();
  }
  const qrels = isMeasured ? await dataset.qrels() : undefined;
  const { mean, unscored } = evaluateScored(entries, qrels ?? [], isMeasured ? measures : []);
  return {
    label: dataset.label,
    datasetId: dataset.datasetId,
    outputPath,
    scoring,
    earlierTopics,
    topics: topics.length,
    pairs: dataset.countPairs(topics),
    metrics: mean,
    unscoredTopics: unscored,
  };
}

async function describeRun(path: string): Promise<WrittenRun> {
  return { bytes: (await stat(path)).size, fingerprint: await fingerprintFile(path) };
}

type ScoredEntry = Pick<RunEntry, 'queryId' | 'docId' | 'score'>;

/** Reads what `topicText` wrote. */
function entriesOf(text: string): ScoredEntry[] {
  return text.split('\n').flatMap((line) => {
    const [queryId, , docId, , score] = line.split('\t');
    return docId === undefined ? [] : [{ queryId: queryId!, docId, score: Number(score) }];
  });
}

/** Documents of a topic in a sample. */
const SAMPLED_TOGETHER = 32;

/** Pairs of the first topics, some of each, from the first document to the last. */
async function* samplePairs(dataset: RunDataset, topics: readonly number[]): AsyncGenerator<TextPair> {
  for await (const { query, docs } of dataset.samples(topics)) {
    const count = Math.min(SAMPLED_TOGETHER, docs.length);
    for (let i = 0; i < count; i++) yield { query, document: docs[Math.floor((i * docs.length) / count)]! };
  }
}

type JobToDo = Job & { journal: RunJournal };

/** The topics of a job that are to be scored, by their positions; on several ranks they are divided. */
interface Work {
  rest: readonly number[];
  divided: DividedTopics | undefined;
}

/** Scores topics for rank 0. */
async function help(job: Job, model: CrossEncoder, { divided }: Work, options: RerankRunsSettings): Promise<void> {
  const work = await dividedWork(job, model, options);
  await divided!.score(work, (topic) => divided!.send(topic));
}

async function dividedWork(
  { dataset, topics, outputPath }: Job,
  model: CrossEncoder,
  options: RerankRunsSettings,
): Promise<DividedWork> {
  return {
    model,
    signal: options.signal,
    refine: await refineOf(dataset, topics, model, options),
    sampleOf: (position) => dataset.samples([topics[position]!]),
    textOf: (queryId, documents) => topicText(outputPath, queryId, documents, model.modelClass),
  };
}

/** What is exact in the scores of a topic; the bound is of all topics, so that a call that continues takes the same pairs. */
async function refineOf(
  dataset: RunDataset,
  topics: readonly number[],
  model: CrossEncoder,
  { refine, signal, group }: RerankRunsSettings,
): Promise<SampleWork['refine']> {
  if (refine === null) return undefined;
  const own = isFirst(group) ? await model.errorBounds(() => samplePairs(dataset, topics), signal) : undefined;
  return { topK: refine, bounds: group === undefined ? own : await group.fromFirst(own) };
}

/**
 * Scores the topics that the journal lacks, and then writes the run from the journal.
 *
 * @param model may be missing if the journal lacks nothing
 * @param onText receives the lines of each topic of the run
 */
async function score(
  job: JobToDo,
  model: CrossEncoder | undefined,
  { rest, divided }: Work,
  options: RerankRunsSettings,
  onText: (text: string) => void,
): Promise<RerankResult> {
  const { dataset, topics, outputPath, journal, identity } = job;
  const { signal, onProgress, onNote, onWarning } = options;
  const { label } = dataset;
  if (rest.length < topics.length) {
    onNote?.(
      `${outputPath}: continues after ${amount(topics.length - rest.length)} of ${amount(topics.length)} topics`,
    );
  }
  const left = rest.map((position) => topics[position]!);
  const totalPairs = dataset.countPairs(topics);
  const earlierPairs = totalPairs - dataset.countPairs(left);
  const report = (pairs: number): void =>
    onProgress?.({ pairs: earlierPairs + pairs, totalPairs, earlierPairs, label });
  const start = performance.now();
  const earlierSeconds = journal.seconds;
  const seconds = (): number => (performance.now() - start) / 1000;
  let adding = Promise.resolve();
  // one after the other: topics of this rank and of others
  const add = (position: number, text: string): Promise<void> =>
    (adding = adding.then(() => journal.add(position, text, earlierSeconds + seconds(), warner(onWarning))));
  let counts: Counts = { pairs: 0, topics: 0, tokens: 0 };
  const scoreAlone = async (alone: CrossEncoder): Promise<void> => {
    const refine = await refineOf(dataset, topics, alone, options);
    const positions = [...rest];
    const work = { model: alone, samples: dataset.samples(left), signal, totalPairs, refine };
    counts = await scoreSamples({ ...work, onProgress: ({ pairs }) => report(pairs) }, (queryId, documents) =>
      add(positions.shift()!, topicText(outputPath, queryId, documents, alone.modelClass)),
    );
  };
  const scoreDivided = async (first: CrossEncoder, topicsOfAll: DividedTopics): Promise<void> => {
    const taken = new Set<number>();
    const take = async ({ position, text, scored }: FinishedTopic): Promise<void> => {
      if (taken.has(position)) return;
      taken.add(position);
      await add(position, text);
      addCounts(counts, scored);
      report(counts.pairs);
    };
    const work = await dividedWork(job, first, options);
    let ended = false;
    const receive = async (): Promise<void> => {
      const isDone = (): boolean => ended || journal.count === topics.length;
      for await (const topic of topicsOfAll.receive(isDone)) await take(topic);
    };
    const receiving = receive();
    receiving.catch(() => undefined); // if this rank fails first
    try {
      await topicsOfAll.score(work, take);
      await receiving;
    } finally {
      ended = true;
    }
  };
  const written = await writeRunText(outputPath, async (write) => {
    if (model !== undefined && rest.length > 0) {
      await (divided === undefined ? scoreAlone(model) : scoreDivided(model, divided));
    }
    for (const position of topics.keys()) {
      throwIfAborted(signal);
      const text = await journal.text(position);
      await write(text);
      onText(text);
    }
  });
  const { precision = identity.computed.precision as ComputePrecision, device = identity.computed.device } =
    model ?? {};
  return { ...counts, ...written, seconds: seconds(), precision, device };
}
