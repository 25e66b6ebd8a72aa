import { basename } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { prefetch } from '../io/ahead.js';
import { TextsFingerprint } from '../io/fingerprint.js';
import { compareUtf8 } from '../io/text.js';
import { candidatesOf, fetchTexts, MissingDocuments, selectTop, type TopicGrades } from './candidates.js';
import type { CollectionIndexOptions } from './collection/collection-index.js';
import { CollectionStore } from './collection/collection-store.js';
import { dashed, runStem } from './dataset-id.js';
import { gradesByTopic, readQrels } from './formats/qrels.js';
import { addQueries, depthWarning, findRun, noTexts, ownQuery } from './open-run.js';
import type { Qrel, RankingSample } from './records.js';
import { DatasetRegistry, type RegisteredDataset } from './registry.js';
import { RunFile } from './run-file.js';
import { type CheckedRunOptions, checkRunOptions, type RunDatasetOptions } from './run-options.js';
import { type TargetOptions, targetsOf } from './targets.js';
import { hasGap, refuseGaps } from './write-run.js';

/** Topics read before they are asked for. */
const TOPICS_AHEAD = 2;

/** The files of a dataset that were read, undefined where one was not. */
export interface RunDatasetFiles {
  run: string;
  /** The collection; a run may carry its texts itself. */
  docs: string | undefined;
  queries: string | undefined;
  qrels: string | undefined;
  /** Whether texts of `docs` are repaired as they are read, see `RegisteredDataset`. */
  repairsDocs: boolean;
}

interface UsedTopic {
  queryId: string;
  query: string;
  /** Documents used. */
  size: number;
}

/**
 * The topics of a run with their queries' and documents' texts, as lightning-ir's RunDataset gives them for inference:
 * topics in the order of their ids (as text), documents in the order of their ranks. Topics without judgements are left
 * out when the dataset has judgements. Only a few topics are held at a time.
 */
export class RunDataset implements AsyncDisposable {
  private constructor(
    private readonly parts: {
      options: RunDatasetOptions;
      checked: CheckedRunOptions;
      run: RunFile;
      datasetId: string;
      /** The id that stands for the run, where no file is named. */
      runId: string;
      /** Whether queries are read from the dataset. */
      asksQueries: boolean;
      dataset: RegisteredDataset | undefined;
      collection: CollectionStore | undefined;
      topics: UsedTopic[];
      judgements: Qrel[] | undefined;
      /** Undefined when no targets are given. */
      targets: TargetOptions | undefined;
      /** Grades by topic, where targets need them and the run itself has none. */
      grades: ReadonlyMap<string, TopicGrades> | undefined;
      /** Things a user should know, one sentence each. */
      warnings: string[];
      /** The first id that cannot be written into a run. */
      gap: Gap | undefined;
    },
  ) {}

  /**
   * Reads the run to check it: every query and every document that will be scored must have a text. `indexing` says where
   * the collection's index is kept and reports its building.
   */
  static async open(
    options: RunDatasetOptions,
    registry: DatasetRegistry = new DatasetRegistry(),
    indexing: CollectionIndexOptions = {},
  ): Promise<RunDataset> {
    const checked = checkRunOptions(options, options.runPathOrId);
    const source = await findRun(options, registry);
    const run = await RunFile.open(source.path);
    let collection: CollectionStore | undefined;
    try {
      const { dataset } = source;
      const judgements = run.hasRelevance || dataset?.qrels === undefined ? undefined : await readQrels(dataset.qrels);
      const judged = judgements && new Set(judgements.map((qrel) => qrel.queryId));
      const openCollection = async (): Promise<CollectionStore> => {
        const { docs, repairsDocs: repairs } = dataset ?? {};
        if (docs === undefined) throw noTexts('docs', source, registry);
        return (collection ??= await CollectionStore.open(docs, { ...indexing, repairs }));
      };
      const survey = await surveyTopics(run, checked, judged, openCollection);
      const topics = await addQueries(survey.topics, run, source, registry);
      topics.sort((a, b) => compareUtf8(a.queryId, b.queryId));
      const reasons = leftOut(checked, survey, dataset);
      if (topics.length === 0) throw nothingLeft(run, reasons);
      const obstacle = targetObstacle(options, run, judgements);
      const warnings = [
        ...reasons.map((reason) => `${run.path}: ${reason}`),
        ...depthWarning(run, checked.depth, survey.maxRank),
        ...(obstacle === undefined ? [] : [`${run.path}: no targets, so no loss is computed: ${obstacle}`]),
      ];
      const targets = obstacle === undefined ? targetOptions(options, checked.depth) : undefined;
      const grades = targets?.targets === 'relevance' && judgements ? gradesByTopic(judgements) : undefined;
      const datasetId = dataset?.id ?? source.inferredId;
      const runId = source.inferredId;
      const asksQueries = survey.topics.some(({ query }) => query === undefined);
      const parts = { options, checked, run, datasetId, runId, asksQueries, dataset, collection, topics, judgements };
      return new RunDataset({ ...parts, targets, grades, warnings, gap: survey.gap });
    } catch (error) {
      await collection?.close();
      await run.close();
      throw error;
    }
  }

  /** Id of the dataset: as registered, or as the run file's name says where it is not. */
  get datasetId(): string {
    return this.parts.datasetId;
  }

  /** The id with dashes for slashes, as it stands in names of run files. */
  get dashedDatasetId(): string {
    return dashed(this.datasetId);
  }

  /** The run file; undefined when the dataset was named by its id. */
  get runPath(): string | undefined {
    return this.parts.run.path === this.parts.options.runPathOrId ? this.parts.run.path : undefined;
  }

  /**
   * Name of a run that re-ranks this one, without suffix: the file's name without `.gz` and the suffix of its format, or the
   * id that stands for the run, with dashes. lightning-ir cuts a file's name at its first dot, and then two runs may
   * share a name.
   */
  get runName(): string {
    return this.runPath === undefined ? dashed(this.parts.runId) : runStem(this.runPath);
  }

  /** How logs and tables call this run: its file's name, or the id that stands for it. */
  get label(): string {
    return this.runPath === undefined ? this.parts.runId : basename(this.runPath);
  }

  /** Every file that is read for this dataset: none of them may be written over. */
  get inputFiles(): string[] {
    const { run, docs, queries, qrels } = this.files;
    return [run, docs, queries, qrels].filter((path) => path !== undefined);
  }

  /** The same by what they hold. */
  get files(): RunDatasetFiles {
    const { run, dataset, collection, judgements, asksQueries } = this.parts;
    return {
      run: run.path,
      docs: collection?.path,
      queries: asksQueries ? dataset?.queries : undefined,
      qrels: judgements === undefined ? undefined : dataset?.qrels,
      repairsDocs: dataset?.repairsDocs ?? false,
    };
  }

  /** Hashes of the topics that `samples` gives, or the first so many: of their ids, and of their queries' texts. */
  fingerprintTopics(topics?: number): { ids: string; queries: string } {
    const ids = new TextsFingerprint();
    const queries = new TextsFingerprint();
    for (const { queryId, query } of this.parts.topics.slice(0, topics)) {
      ids.add(queryId);
      queries.add(query);
    }
    return { ids: ids.digest(), queries: queries.digest() };
  }

  /** Things a user should know, one sentence each: topics left out, a depth beyond the run's. */
  get warnings(): readonly string[] {
    return this.parts.warnings;
  }

  /** Throws where an id cannot stand in a TREC run, naming its line: to be called before hours of scoring for one. */
  assertWritable(): void {
    const { gap, run } = this.parts;
    if (gap) refuseGaps(run.place(gap.line), gap.what, gap.id);
  }

  /** Number of topics that `samples` gives. */
  countTopics(): number {
    return this.parts.topics.length;
  }

  /** Number of documents over all topics, or the first so many, that `samples` gives. */
  countPairs(topics?: number): number {
    return this.parts.topics.slice(0, topics).reduce((sum, topic) => sum + topic.size, 0);
  }

  /** The topics, or the first so many, one after the other; texts are fetched shortly before. */
  samples(topics?: number): AsyncGenerator<RankingSample> {
    return prefetch(this.parts.topics.slice(0, topics), TOPICS_AHEAD, (topic) => this.sample(topic));
  }

  /**
   * Judgements: the run's own (within depth, as lightning-ir takes them) if it carries some, else the dataset's;
   * undefined without any.
   */
  async qrels(): Promise<Qrel[] | undefined> {
    if (!this.parts.run.hasRelevance) return this.parts.judgements;
    const qrels: Qrel[] = [];
    const { depth } = this.parts.checked;
    for await (const { entries } of this.parts.run.stream()) {
      for (const { queryId, docId, rank, relevance, iteration } of entries) {
        if (relevance === undefined || (depth !== -1 && rank > depth)) continue;
        qrels.push({ queryId, docId, relevance, iteration: iteration ?? '0' });
      }
    }
    return qrels;
  }

  async close(): Promise<void> {
    await this.parts.collection?.close();
    await this.parts.run.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async sample(topic: UsedTopic): Promise<RankingSample> {
    const { run, checked, collection, targets, grades } = this.parts;
    const { queryId, query } = topic;
    const candidates = candidatesOf(await run.topic(queryId), checked.depth, grades && (grades.get(queryId) ?? NONE));
    const selected = selectTop(candidates, checked.sampleSize);
    const sample = { queryId, query, ...(await fetchTexts(selected, collection, run.path)) };
    return targets === undefined ? sample : { ...sample, targets: targetsOf(selected, targets) };
  }
}

const NONE: TopicGrades = new Map();

/** An id with white space in it. */
interface Gap {
  what: string;
  id: string;
  line: number;
}

/** What one pass over the run finds out about the topics that will be used. */
interface Survey {
  topics: (Omit<UsedTopic, 'query'> & { query: string | undefined; line: number })[];
  maxRank: number;
  /** Topics left out. */
  unjudged: number;
  tooSmall: number;
  gap: Gap | undefined;
}

async function surveyTopics(
  run: RunFile,
  options: CheckedRunOptions,
  judged: ReadonlySet<string> | undefined,
  openCollection: () => Promise<CollectionStore>,
): Promise<Survey> {
  const survey: Survey = { topics: [], maxRank: -Infinity, unjudged: 0, tooSmall: 0, gap: undefined };
  const missing = new MissingDocuments();
  let collection: CollectionStore | undefined;
  for await (const topic of run.stream()) {
    for (const entry of topic.entries) survey.maxRank = Math.max(survey.maxRank, entry.rank);
    if (judged !== undefined && !judged.has(topic.queryId)) {
      survey.unjudged += 1;
      continue;
    }
    const selected = selectTop(candidatesOf(topic, options.depth), options.sampleSize);
    if (selected.length === 0) {
      survey.tooSmall += 1;
      continue;
    }
    for (const { docId, rank, text, line } of selected) {
      const known = text !== undefined || (collection ??= await openCollection()).has(docId);
      missing.count(known, { docId, rank: rank! }, line!);
      if (hasGap(docId)) survey.gap ??= { what: 'document id', id: docId, line: line! };
    }
    if (hasGap(topic.queryId)) survey.gap ??= { what: 'query id', id: topic.queryId, line: topic.lines[0]! };
    const query = ownQuery(topic, run);
    survey.topics.push({ queryId: topic.queryId, query, size: selected.length, line: topic.lines[0]! });
  }
  if (missing.any) throw missing.error((line) => run.place(line), collection!.path);
  return survey;
}

/** Which topics are left out and why, one clause each. */
function leftOut(options: CheckedRunOptions, survey: Survey, dataset: RegisteredDataset | undefined): string[] {
  const { depth, sampleSize } = options;
  const few =
    sampleSize === -1 ? `no document within depth ${depth}` : `fewer than ${sampleSize} documents to sample from`;
  return [
    ...(survey.unjudged > 0 ? [`topics without judgements in ${dataset?.qrels}, left out: ${survey.unjudged}`] : []),
    ...(survey.tooSmall > 0 ? [`topics with ${few}, left out: ${survey.tooSmall}`] : []),
  ];
}

function nothingLeft(run: RunFile, reasons: string[]): RankDistillmError {
  return new RankDistillmError('bad_input', `${run.path}: no topic is left to score; ${reasons.join('; ')}`, {
    hint: 'Check that the run belongs to this dataset.',
  });
}

function targetOptions(options: RunDatasetOptions, depth: number): TargetOptions | undefined {
  const { targets } = options;
  if (targets === undefined || targets === null || targets === 'subtopic_relevance') return undefined;
  return { targets, normalizeTargets: options.normalizeTargets ?? false, depth };
}

/** Why targets cannot be given. Scoring goes on without them, so this is no error here. */
function targetObstacle(options: RunDatasetOptions, run: RunFile, judgements: Qrel[] | undefined): string | undefined {
  switch (options.targets) {
    case 'subtopic_relevance':
      return 'targets: subtopic_relevance is not built';
    case 'relevance':
      return run.hasRelevance || judgements !== undefined
        ? undefined
        : 'targets: relevance, but there are no judgements';
    case 'score':
      return run.lineWithoutScore === undefined
        ? undefined
        : `targets: score, but ${run.place(run.lineWithoutScore)} has none`;
    default:
      return undefined;
  }
}
