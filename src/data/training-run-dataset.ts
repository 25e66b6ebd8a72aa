import { basename } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { prefetch } from '../io/ahead.js';
import { compareUtf8 } from '../io/text.js';
import { DEFAULT_SEED, RandomStream } from '../random/random-stream.js';
import { fetchTexts, type TopicGrades } from './candidates.js';
import { CollectionStore } from './collection/collection-store.js';
import { gradesByTopic, readQrels } from './formats/qrels.js';
import { addQueries, depthWarning, findRun, noTexts, type RunSource } from './open-run.js';
import { DatasetRegistry } from './registry.js';
import { RunFile } from './run-file.js';
import { type CheckedTrainingOptions, checkTrainingOptions, type RunDatasetOptions } from './run-options.js';
import { drawSample } from './samplers.js';
import { targetsOf } from './targets.js';
import {
  epochItems,
  type EpochOptions,
  type TrainingContext,
  type TrainingDataset,
  type TrainingSample,
} from './training-dataset.js';
import { surveyTraining, trainingCandidates, type TrainingSurvey, type TrainingTopic } from './training-survey.js';

/** Topics read before they are asked for. */
const TOPICS_AHEAD = 8;

/**
 * Opens a RunDataset to train on, with lightning-ir's samplers and targets. The run is passed over once: topics that make
 * no sample are left out, each reason counted in one warning; it is an error when none is left, when a ranked document or
 * a query has no text, and when a value does not suit the options.
 */
export async function openTrainingRunDataset(
  options: RunDatasetOptions,
  { registry = new DatasetRegistry(), seed = DEFAULT_SEED, indexing = {} }: TrainingContext = {},
): Promise<TrainingDataset> {
  const checked = checkTrainingOptions(options, options.runPathOrId);
  void new RandomStream({ seed, purpose: 'order', epoch: 0 }); // a bad seed shows before a collection is indexed
  const source = await findRun(options, registry);
  const run = await RunFile.open(source.path);
  let collection: CollectionStore | undefined;
  try {
    const grades = await readGrades(run, source, checked, registry);
    const openCollection = async (): Promise<CollectionStore> => {
      const { docs, repairsDocs: repairs } = source.dataset ?? {};
      if (docs === undefined) throw noTexts('docs', source, registry);
      return (collection ??= await CollectionStore.open(docs, { ...indexing, repairs }));
    };
    checkScores(run, checked);
    const noneOutside = checked.addDocsNotInRanking ? ownData(run) : undefined;
    const effective = { ...checked, addDocsNotInRanking: checked.addDocsNotInRanking && noneOutside === undefined };
    const survey = await surveyTraining(run, { ...effective, grades, openCollection });
    const reasons = leftOut(survey, checked, source);
    if (survey.topics.length === 0) throw nothingLeft(run, reasons);
    const length = checked.sampleSize === -1 ? commonSize(survey.topics, run) : checked.sampleSize;
    const topics = await addQueries(survey.topics, run, source, registry);
    topics.sort((a, b) => compareUtf8(a.queryId, b.queryId));
    const warnings = [
      ...reasons,
      ...(noneOutside === undefined ? [] : [`add_docs_not_in_ranking adds nothing: ${noneOutside}`]),
      ...addedScoreWarning(survey, effective),
    ].map((reason) => `${run.path}: ${reason}`);
    warnings.push(...depthWarning(run, checked.depth, survey.maxRank));
    const name = source.path === options.runPathOrId ? basename(source.path) : source.dataset!.id;
    return new TrainingRunDataset({ ...effective, name, seed, run, collection, topics, grades, length, warnings });
  } catch (error) {
    await collection?.close();
    await run.close();
    throw error;
  }
}

type QueriedTopic = TrainingTopic & { query: string };

interface Parts extends CheckedTrainingOptions {
  name: string;
  seed: number;
  run: RunFile;
  collection: CollectionStore | undefined;
  /** In the order of their ids as text. */
  topics: readonly QueriedTopic[];
  grades: ReadonlyMap<string, TopicGrades> | undefined;
  /** Documents of every sample. */
  length: number;
  warnings: readonly string[];
}

/** See `openTrainingRunDataset`. Of the run and the collection only a few topics are held at a time. */
class TrainingRunDataset implements TrainingDataset {
  constructor(private readonly parts: Parts) {}

  get name(): string {
    return this.parts.name;
  }

  get sampleSize(): number {
    return this.parts.length;
  }

  get warnings(): readonly string[] {
    return this.parts.warnings;
  }

  countSamples(): number {
    return this.parts.topics.length;
  }

  epoch(options: EpochOptions): AsyncIterable<TrainingSample> {
    const items = epochItems(this.parts.topics, this.parts.seed, options);
    return prefetch(items, TOPICS_AHEAD, (topic) => this.sample(topic, options.epoch));
  }

  async close(): Promise<void> {
    await this.parts.collection?.close();
    await this.parts.run.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async sample(topic: QueriedTopic, epoch: number): Promise<TrainingSample> {
    const { run, collection, seed, sampleSize, samplingStrategy } = this.parts;
    const { queryId, query, added } = topic;
    const candidates = trainingCandidates(await run.topic(queryId), added, this.parts);
    const random = (): RandomStream => new RandomStream({ seed, purpose: 'sample', epoch, item: queryId });
    const documents = drawSample(candidates, sampleSize, samplingStrategy, random);
    const texts = await fetchTexts(documents, collection, run.path);
    return { queryId, query, ...texts, targets: targetsOf(documents, this.parts) };
  }
}

/** Grades of the run's topics; undefined when the run has its own, or when there are none and none are needed. */
async function readGrades(
  run: RunFile,
  source: RunSource,
  checked: CheckedTrainingOptions,
  registry: DatasetRegistry,
): Promise<Map<string, Map<string, number>> | undefined> {
  if (run.hasRelevance) return undefined;
  const path = source.dataset?.qrels;
  if (path !== undefined) {
    const wanted = new Set(run.topics.map((topic) => topic.queryId));
    return gradesByTopic(await readQrels(path, wanted));
  }
  const needs = needsGrades(checked);
  if (needs === undefined) return undefined;
  if (source.dataset === undefined) throw registry.unknownId(source.inferredId, source.path);
  const { id } = source.dataset;
  throw new RankDistillmError(
    'bad_input',
    `${source.path}: ${needs} needs judgements, and dataset ${id} has no qrels`,
    {
      hint: `Register qrels for ${id}.`,
    },
  );
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
  throw new RankDistillmError(
    'bad_input',
    `${run.place(run.lineWithoutScore)}: no score, but targets: score needs one`,
    {
      hint: 'Give every document a score, or set targets: rank.',
    },
  );
}

/** Why no judged document can be added to this run. */
function ownData(run: RunFile): string | undefined {
  if (run.hasTexts) return 'the run carries its own texts';
  return run.hasRelevance ? 'the run carries its own judgements' : undefined;
}

/** Which topics and documents are left out and why, one clause each. */
function leftOut(survey: TrainingSurvey, { depth, sampleSize }: CheckedTrainingOptions, source: RunSource): string[] {
  const few =
    sampleSize === -1 ? `no document within depth ${depth}` : `fewer than ${sampleSize} documents to sample from`;
  const { unjudged, tooFew, withoutRelevant, judgedWithoutText } = survey;
  return [
    ...(unjudged > 0 ? [`topics without judgements in ${source.dataset?.qrels}, left out: ${unjudged}`] : []),
    ...(tooFew > 0 ? [`topics with ${few}, left out: ${tooFew}`] : []),
    ...(withoutRelevant > 0 ? [`topics without a relevant document, left out: ${withoutRelevant}`] : []),
    ...(judgedWithoutText > 0
      ? [`judged documents without a text in ${source.dataset?.docs}, not added: ${judgedWithoutText}`]
      : []),
  ];
}

function nothingLeft(run: RunFile, reasons: string[]): RankDistillmError {
  return new RankDistillmError('bad_input', `${run.path}: no topic is left to train on; ${reasons.join('; ')}`, {
    hint: 'Check that the run belongs to this dataset, and sample_size, depth and sampling_strategy.',
  });
}

/** Lists that are taken whole must be equally long, because a batch is a matrix. */
function commonSize(topics: readonly TrainingTopic[], run: RunFile): number {
  const first = topics[0]!;
  const other = topics.find((topic) => topic.size !== first.size);
  if (other === undefined) return first.size;
  throw new RankDistillmError(
    'bad_input',
    `${run.place(other.line)}: topic '${other.queryId}' has ${other.size} documents, but topic '${first.queryId}' has ` +
      `${first.size}; with sample_size: -1 all need the same number`,
    { hint: 'Set sample_size to the number of documents to learn from.' },
  );
}

function addedScoreWarning(survey: TrainingSurvey, options: CheckedTrainingOptions): string[] {
  if (options.targets !== 'score' || !options.addDocsNotInRanking || survey.negativeScores === 0) return [];
  return [`added documents have target 0, which is above the negative scores of ${survey.negativeScores} documents`];
}
