import { RankDistillmError } from '../errors.js';
import { prefetch } from '../io/ahead.js';
import { fingerprintFact, fingerprintFile, fingerprintLargeFile, type Facts } from '../io/fingerprint.js';
import { DEFAULT_SEED, RandomStream } from '../random/random-stream.js';
import type { TopicGrades } from './candidates.js';
import { gradesByTopic, readQrels } from './formats/qrels.js';
import { fingerprintTopics, OpenRun } from './open-run.js';
import type { RunFile } from './run-file.js';
import { checkTrainingOptions, type CheckedTrainingOptions, type RunDatasetOptions } from './run-options.js';
import { sampleOf, surveyTopics, type TopicUse, type UsedTopic } from './run-topics.js';
import {
  epochItems,
  equalTargetsWarning,
  type EpochOptions,
  type Share,
  type TrainingContext,
  type TrainingDataset,
  type TrainingSample,
  WHOLE,
} from './training-dataset.js';

/** Topics read ahead. */
const TOPICS_AHEAD = 8;

/**
 * Opens a RunDataset for training, with lightning-ir's samplers and targets. Reads the run once and skips topics that
 * make no sample, with one warning and a count per reason. Throws if no topic is left, if a ranked document or a query
 * has no text, or if a value does not fit the options.
 */
export async function openTrainingRunDataset(
  options: RunDatasetOptions,
  { seed = DEFAULT_SEED, ...context }: TrainingContext = {},
): Promise<TrainingDataset> {
  const checked = checkTrainingOptions(options);
  void new RandomStream({ seed, purpose: 'order', epoch: 0 }); // report a bad seed before indexing a collection
  return OpenRun.open(options, context, async (run) => {
    const grades = await readGrades(run, checked);
    checkScores(run.file, checked);
    const noneOutside = checked.addDocsNotInRanking ? ownData(run.file) : undefined;
    const addDocsNotInRanking = checked.addDocsNotInRanking && noneOutside === undefined;
    const use: TopicUse = { ...checked, addDocsNotInRanking, grades, targetOptions: checked, purpose: 'train on' };
    const { topics, warnings, equalTargets, negativeScores } = await surveyTopics(run, use);
    const size = checked.sampleSize === -1 ? commonSize(topics, run.file) : checked.sampleSize;
    if (noneOutside !== undefined) warnings.push(`${run.path}: add_docs_not_in_ranking adds nothing: ${noneOutside}`);
    if (checked.targets === 'score' && addDocsNotInRanking && negativeScores > 0) {
      const above = `which is above the negative scores of ${negativeScores} documents`;
      warnings.push(`${run.path}: added documents have target 0, ${above}`);
    }
    if (equalTargets > 0) warnings.push(`${run.path}: ${equalTargetsWarning('topics', equalTargets, topics.length)}`);
    const isGraded = !run.file.hasRelevance && needsGrades(checked) !== undefined;
    const qrels = isGraded ? run.source.dataset?.qrels : undefined;
    return new TrainingRunDataset({ run, use, seed, qrels, topics, size, warnings });
  });
}

interface Parts {
  run: OpenRun;
  use: TopicUse;
  seed: number;
  /** The qrels file, if its grades affect samples or targets. */
  qrels: string | undefined;
  topics: readonly UsedTopic[];
  /** Documents of every sample. */
  size: number;
  warnings: readonly string[];
}

/** See `openTrainingRunDataset`. Holds only a few topics at a time. */
class TrainingRunDataset implements TrainingDataset {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.run.source.name;
  }

  get sampleSize(): number {
    return this.#parts.size;
  }

  get warnings(): readonly string[] {
    return this.#parts.warnings;
  }

  countSamples(): number {
    return this.#parts.topics.length;
  }

  async identify(): Promise<Facts> {
    const { run, use, seed, topics, qrels } = this.#parts;
    const { ids, queries } = fingerprintTopics(topics);
    const { usedDocs: docs } = run;
    return {
      'the run': fingerprintFact(await fingerprintFile(run.path), run.path),
      'the collection': docs === undefined ? { value: null } : fingerprintFact(await fingerprintLargeFile(docs), docs),
      'the repair of its texts': { value: run.source.dataset?.repairsDocs ?? false },
      'the qrels file':
        qrels === undefined
          ? { value: null, follows: 'targets' }
          : { ...fingerprintFact(await fingerprintFile(qrels), qrels), follows: 'targets' },
      'the set of topics': fingerprintFact(ids, String(topics.length)),
      'the text of the queries': { ...fingerprintFact(queries), follows: 'the set of topics' },
      depth: { value: use.depth },
      sample_size: { value: use.sampleSize },
      sampling_strategy: { value: use.samplingStrategy },
      targets: { value: use.targetOptions?.targets ?? null },
      normalize_targets: { value: use.targetOptions?.normalizeTargets ?? false },
      add_docs_not_in_ranking: { value: use.addDocsNotInRanking },
      'the seed of the samples': { value: seed, follows: 'seed' },
    };
  }

  epoch(options: EpochOptions): AsyncIterable<TrainingSample> {
    return this.epochShare(options, WHOLE);
  }

  epochShare(options: EpochOptions, share: Share): AsyncIterable<TrainingSample> {
    const { run, use, seed, topics } = this.#parts;
    const { epoch } = options;
    return prefetch(epochItems(topics, seed, options, share), TOPICS_AHEAD, async (topic) => {
      const random = (): RandomStream => new RandomStream({ seed, purpose: 'sample', epoch, item: topic.queryId });
      const { targets, ...sample } = await sampleOf(run, topic, use, random);
      return { ...sample, targets: targets! };
    });
  }

  async close(): Promise<void> {
    await this.#parts.run.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Grades of the run's topics; undefined if the run has its own, or if there are none and none are needed. */
async function readGrades(
  run: OpenRun,
  checked: CheckedTrainingOptions,
): Promise<ReadonlyMap<string, TopicGrades> | undefined> {
  if (run.file.hasRelevance) return undefined;
  const path = run.source.dataset?.qrels;
  if (path !== undefined) {
    const wanted = new Set((await run.file.places()).map((topic) => topic.queryId));
    return gradesByTopic(await readQrels(path, wanted));
  }
  const needs = needsGrades(checked);
  if (needs === undefined) return undefined;
  throw run.lacks('qrels', `${run.path}: ${needs} needs judgements`);
}

function needsGrades(checked: CheckedTrainingOptions): string | undefined {
  if (checked.targets === 'relevance') return 'targets: relevance';
  if (checked.samplingStrategy === 'single_relevant' && checked.sampleSize !== -1) {
    return 'sampling_strategy: single_relevant';
  }
  return checked.addDocsNotInRanking ? 'add_docs_not_in_ranking: true' : undefined;
}

function checkScores(run: RunFile, { targets }: CheckedTrainingOptions): void {
  if (targets !== 'score' || run.lineWithoutScore === undefined) return;
  const place = run.place(run.lineWithoutScore);
  throw new RankDistillmError('bad_input', `${place}: no score, but targets: score needs one`, {
    hint: 'Give every document a score, or set targets: rank.',
  });
}

/** The reason that no judged document can be added to this run, if any. */
function ownData(run: RunFile): string | undefined {
  if (run.hasTexts) return 'the run contains its own texts';
  return run.hasRelevance ? 'the run contains its own judgements' : undefined;
}

/** With sample_size: -1 all topics must have the same number of documents, because a batch is a matrix. */
function commonSize(topics: readonly UsedTopic[], run: RunFile): number {
  const inFileOrder = topics.slice().sort((a, b) => a.line - b.line);
  const first = inFileOrder[0]!;
  const other = inFileOrder.find((topic) => topic.size !== first.size);
  if (other === undefined) return first.size;
  throw new RankDistillmError(
    'bad_input',
    `${run.place(other.line)}: topic '${other.queryId}' has ${other.size} documents, but topic '${first.queryId}' has ` +
      `${first.size}; with sample_size: -1 all topics need the same number`,
    { hint: 'Set sample_size to the number of documents to learn from.' },
  );
}
