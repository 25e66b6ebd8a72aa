import { stat } from 'node:fs/promises';
import { RankDistillmError } from '../errors.js';
import type { CollectionIndexOptions } from './collection-index.js';
import { CollectionStore } from './collection-store.js';
import { dashed, inferredIds, runStem } from './dataset-id.js';
import { readQrels } from './formats/qrels.js';
import { MissingDocuments } from './missing-documents.js';
import { prefetch } from './prefetch.js';
import { readQueries } from './read-texts.js';
import type { Qrel, RankingSample } from './records.js';
import { DatasetRegistry, type RegisteredDataset } from './registry.js';
import { RunFile, type RunTopic } from './run-file.js';
import { checkRunOptions, type CheckedRunOptions, type RunDatasetOptions } from './run-options.js';
import { selectTop, type PlacedEntry } from './select-documents.js';
import { compareUtf8 } from './utf8-order.js';

/** Topics read before they are asked for. */
const TOPICS_AHEAD = 2;

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
      dataset: RegisteredDataset | undefined;
      collection: CollectionStore | undefined;
      topics: UsedTopic[];
      judgements: Qrel[] | undefined;
      /** Things a user should know, one sentence each. */
      warnings: string[];
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
        if (dataset?.docs === undefined) throw noTexts('docs', source, options, registry);
        return (collection ??= await CollectionStore.open(dataset.docs, indexing));
      };
      const survey = await surveyTopics(run, checked, judged, openCollection);
      const topics = await addQueries(survey, run, source, () => noTexts('queries', source, options, registry));
      topics.sort((a, b) => compareUtf8(a.queryId, b.queryId));
      const reasons = leftOut(checked, survey, dataset);
      if (topics.length === 0) throw nothingLeft(run, reasons);
      const warnings = [
        ...reasons.map((reason) => `${run.path}: ${reason}`),
        ...depthWarning(run, checked.depth, survey.maxRank),
      ];
      const datasetId = dataset?.id ?? source.inferredId;
      return new RunDataset({ options, checked, run, datasetId, dataset, collection, topics, judgements, warnings });
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

  /** Name of a run that re-ranks this one, without suffix, as lightning-ir's ReRankCallback chooses it. */
  get runName(): string {
    return this.runPath === undefined ? this.dashedDatasetId : runStem(this.runPath);
  }

  /** Things a user should know, one sentence each: topics left out, a depth beyond the run's. */
  get warnings(): readonly string[] {
    return this.parts.warnings;
  }

  /** Number of topics that `samples` gives. */
  countTopics(): number {
    return this.parts.topics.length;
  }

  /** Number of documents over all topics that `samples` gives. */
  countPairs(): number {
    return this.parts.topics.reduce((sum, topic) => sum + topic.size, 0);
  }

  /** The topics, one after the other; texts are fetched shortly before. */
  samples(): AsyncGenerator<RankingSample> {
    return prefetch(this.parts.topics, TOPICS_AHEAD, (topic) => this.sample(topic));
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
    const { run, checked, collection } = this.parts;
    const { queryId, query } = topic;
    const selected = select(await run.topic(queryId), checked).map(({ entry }) => entry);
    const docIds = selected.map((entry) => entry.docId);
    const withoutText = selected.filter((entry) => entry.text === undefined).map((entry) => entry.docId);
    const fetched = withoutText.length === 0 ? [] : await collection!.getTexts(withoutText, run.path);
    let next = 0;
    const docs = selected.map((entry) => entry.text ?? fetched[next++]!);
    return { queryId, query, docIds, docs };
  }
}

interface RunSource {
  path: string;
  dataset: RegisteredDataset | undefined;
  /** Best guess at the id when no dataset is registered. */
  inferredId: string;
}

async function findRun(options: RunDatasetOptions, registry: DatasetRegistry): Promise<RunSource> {
  const { runPathOrId } = options;
  const isFile = await stat(runPathOrId).then(
    (stats) => stats.isFile(),
    () => false,
  );
  if (isFile) {
    const inferred = inferredIds(runPathOrId);
    const dataset =
      options.dataset !== undefined
        ? registry.get(options.dataset, `${runPathOrId} (dataset)`)
        : inferred.map((id) => registry.find(id)).find((found) => found !== undefined);
    return { path: runPathOrId, dataset, inferredId: inferred[0]! };
  }
  const named = registry.find(runPathOrId);
  if (named === undefined) throw neitherFileNorId(runPathOrId, registry);
  if (named.scoreddocs === undefined) {
    throw new RankDistillmError('bad_input', `dataset ${named.id} has no scoreddocs, so it cannot stand for a run`, {
      hint: 'Register scoreddocs for it, or give run_path_or_id the path of a run file.',
    });
  }
  const dataset = options.dataset === undefined ? named : registry.get(options.dataset, `${runPathOrId} (dataset)`);
  return { path: named.scoreddocs, dataset, inferredId: named.id };
}

function neitherFileNorId(runPathOrId: string, registry: DatasetRegistry): RankDistillmError {
  const { hint } = registry.unknownId(runPathOrId, runPathOrId);
  const message = `${runPathOrId}: neither a run file nor the id of a registered dataset`;
  return new RankDistillmError('not_found', message, {
    hint: `Check the path; relative paths start from the current working directory. ${hint ?? ''}`,
  });
}

/** What one pass over the run finds out about the topics that will be used. */
interface Survey {
  topics: (Omit<UsedTopic, 'query'> & { query: string | undefined; line: number })[];
  maxRank: number;
  /** Topics left out. */
  unjudged: number;
  tooSmall: number;
}

async function surveyTopics(
  run: RunFile,
  options: CheckedRunOptions,
  judged: ReadonlySet<string> | undefined,
  openCollection: () => Promise<CollectionStore>,
): Promise<Survey> {
  const survey: Survey = { topics: [], maxRank: -Infinity, unjudged: 0, tooSmall: 0 };
  const missing = new MissingDocuments();
  let collection: CollectionStore | undefined;
  for await (const topic of run.stream()) {
    for (const entry of topic.entries) survey.maxRank = Math.max(survey.maxRank, entry.rank);
    if (judged !== undefined && !judged.has(topic.queryId)) {
      survey.unjudged += 1;
      continue;
    }
    const selected = select(topic, options);
    if (selected.length === 0) {
      survey.tooSmall += 1;
      continue;
    }
    for (const { entry, line } of selected) {
      const known = entry.text !== undefined || (collection ??= await openCollection()).has(entry.docId);
      missing.count(known, entry, line);
    }
    const query = topic.entries.find((entry) => entry.query !== undefined)?.query;
    survey.topics.push({ queryId: topic.queryId, query, size: selected.length, line: topic.lines[0]! });
  }
  if (missing.any) throw missing.error((line) => run.place(line), collection!.path);
  return survey;
}

function select(topic: RunTopic, options: CheckedRunOptions): PlacedEntry[] {
  const placed = topic.entries.map((entry, index) => ({ entry, line: topic.lines[index]! }));
  return selectTop(placed, options.depth, options.sampleSize);
}

async function addQueries(
  survey: Survey,
  run: RunFile,
  source: RunSource,
  noQueries: () => RankDistillmError,
): Promise<UsedTopic[]> {
  const wanted = new Set(survey.topics.filter((topic) => topic.query === undefined).map((topic) => topic.queryId));
  if (wanted.size > 0 && source.dataset?.queries === undefined) throw noQueries();
  const path = source.dataset?.queries ?? '';
  const queries = wanted.size > 0 ? await readQueries(path, wanted) : new Map<string, string>();
  return survey.topics.map(({ queryId, query, size, line }) => {
    const text = query ?? queries.get(queryId);
    if (text === undefined) {
      throw new RankDistillmError('not_found', `${run.place(line)}: query '${queryId}' is not in ${path}`, {
        hint: 'Register the queries that the run was made for.',
      });
    }
    return { queryId, query: text, size };
  });
}

function noTexts(
  part: 'docs' | 'queries',
  source: RunSource,
  options: RunDatasetOptions,
  registry: DatasetRegistry,
): RankDistillmError {
  if (source.dataset === undefined) return registry.unknownId(source.inferredId, options.runPathOrId);
  return new RankDistillmError(
    'bad_input',
    `${source.path} carries no texts and dataset ${source.dataset.id} has no ${part}`,
    {
      hint: `Register ${part} for ${source.dataset.id}.`,
    },
  );
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

function depthWarning(run: RunFile, depth: number, maxRank: number): string[] {
  return depth === -1 || maxRank >= depth
    ? []
    : [`${run.path}: depth ${depth} is greater than the greatest rank, ${maxRank}`];
}
