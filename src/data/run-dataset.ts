import { prefetch } from '../io/ahead.js';
import type { CollectionIndexOptions } from './collection/index-cache.js';
import { dashed, runStem } from './dataset-id.js';
import { gradesByTopic, readQrels } from './formats/qrels.js';
import { fingerprintTopics, OpenRun } from './open-run.js';
import type { Qrel, RankingSample } from './records.js';
import type { DatasetRegistry } from './registry.js';
import type { RunFile } from './run-file.js';
import { checkRunOptions, type RunDatasetOptions } from './run-options.js';
import { sampleOf, surveyTopics, type TopicUse, type UnwritableId, type UsedTopic } from './run-topics.js';
import type { TargetOptions } from './targets.js';
import type { TopicChoice, ValidationDataset } from './training-dataset.js';
import { refuseWhiteSpace } from './write-run.js';

/** Topics read ahead. */
const TOPICS_AHEAD = 2;

/** The files of a dataset that were read; undefined for unread ones. */
export interface RunDatasetFiles {
  run: string;
  /** The collection; undefined if the run contains the texts. */
  docs: string | undefined;
  queries: string | undefined;
  qrels: string | undefined;
  /** Whether texts of `docs` are repaired, see `RegisteredDataset`. */
  repairsDocs: boolean;
}

/**
 * The topics of a run with the texts of queries and documents, as in lightning-ir's RunDataset for inference: topics
 * sorted by id (as text), documents by rank. Topics without judgements are skipped if the dataset has judgements. Holds
 * only a few topics at a time.
 */
export class RunDataset implements ValidationDataset {
  readonly #run: OpenRun;
  readonly #use: TopicUse;
  readonly #topics: readonly UsedTopic[];
  readonly #judgements: Qrel[] | undefined;
  readonly #unwritable: UnwritableId | undefined;
  /** Warnings, one sentence each: skipped topics, a depth beyond the run's. */
  readonly warnings: readonly string[];

  private constructor(
    run: OpenRun,
    parts: {
      use: TopicUse;
      topics: readonly UsedTopic[];
      judgements: Qrel[] | undefined;
      unwritable: UnwritableId | undefined;
      warnings: readonly string[];
    },
  ) {
    this.#run = run;
    this.#use = parts.use;
    this.#topics = parts.topics;
    this.#judgements = parts.judgements;
    this.#unwritable = parts.unwritable;
    this.warnings = parts.warnings;
  }

  /**
   * Opens and checks a run: every query and every document to score must have a text. `indexing` sets the folder and
   * the progress callback of the collection's index.
   */
  static open(
    options: RunDatasetOptions,
    registry?: DatasetRegistry,
    indexing?: CollectionIndexOptions,
  ): Promise<RunDataset> {
    const checked = checkRunOptions(options);
    return OpenRun.open(options, { registry, indexing }, async (run) => {
      const { file, source } = run;
      const qrels = file.hasRelevance ? undefined : source.dataset?.qrels;
      const judgements = qrels === undefined ? undefined : await readQrels(qrels);
      const grades = judgements && gradesByTopic(judgements);
      const use: TopicUse = { ...checked, grades, targetOptions: undefined, purpose: 'score' };
      const { topics, warnings, unwritable } = await surveyTopics(run, use);
      const obstacle = targetObstacle(options, file, judgements);
      if (obstacle !== undefined) warnings.push(`${run.path}: no targets, so no loss is computed: ${obstacle}`);
      else use.targetOptions = targetOptions(options, use);
      return new RunDataset(run, { use, topics, judgements, unwritable, warnings });
    });
  }

  /** Id of the dataset: as registered, or inferred from the run file's name. */
  get datasetId(): string {
    return this.#run.source.datasetId;
  }

  /** The run file; undefined if the dataset was given by id. */
  get runPath(): string | undefined {
    return this.#run.source.isFile ? this.#run.path : undefined;
  }

  /** Name of this run in logs and tables: its file name, or the dataset id. */
  get label(): string {
    return this.#run.source.name;
  }

  /**
   * Name for a re-ranked run, without suffix: the file's name without `.gz` and the suffix of its format, or the
   * dataset id with dashes. lightning-ir cuts a file's name at its first dot, so that two runs may share a name.
   */
  get runName(): string {
    return this.runPath === undefined ? dashed(this.label) : runStem(this.runPath);
  }

  /** Every file that this dataset reads; outputs must not overwrite them. */
  get inputFiles(): string[] {
    const { run, docs, queries, qrels } = this.files;
    return [run, docs, queries, qrels].filter((path) => path !== undefined);
  }

  /** The files that were read, by part of the dataset. */
  get files(): RunDatasetFiles {
    const { path, usedDocs, usedQueries, source } = this.#run;
    return {
      run: path,
      docs: usedDocs,
      queries: usedQueries,
      qrels: this.#judgements === undefined ? undefined : source.dataset?.qrels,
      repairsDocs: source.dataset?.repairsDocs ?? false,
    };
  }

  /** Hashes of the ids and the query texts of all topics, or of those chosen. */
  fingerprintTopics(topics?: TopicChoice): { ids: string; queries: string } {
    return fingerprintTopics(this.#chosen(topics));
  }

  /** Throws, naming the line, if an id cannot be written to a TREC run. Call it before hours of scoring. */
  assertWritable(): void {
    if (!this.#unwritable) return;
    const { what, id, line } = this.#unwritable;
    refuseWhiteSpace(this.#run.file.place(line), what, id);
  }

  /** Number of topics. */
  countTopics(): number {
    return this.#topics.length;
  }

  /** Number of documents in all topics, or in those chosen. */
  countPairs(topics?: TopicChoice): number {
    return this.#chosen(topics).reduce((sum, topic) => sum + topic.size, 0);
  }

  /** All topics, or those chosen, one after the other, with texts read just in time. */
  samples(topics?: TopicChoice): AsyncGenerator<RankingSample> {
    const noRandom = (): never => {
      throw new RangeError('inference draws nothing at random');
    };
    return prefetch(this.#chosen(topics), TOPICS_AHEAD, (topic) => sampleOf(this.#run, topic, this.#use, noRandom));
  }

  /**
   * Judgements from the run (within depth, as in lightning-ir) if it has any, else from the dataset; undefined without
   * any.
   */
  async qrels(): Promise<Qrel[] | undefined> {
    const { file } = this.#run;
    if (!file.hasRelevance) return this.#judgements;
    const qrels: Qrel[] = [];
    const { depth } = this.#use;
    for await (const { entries } of file.stream()) {
      for (const { queryId, docId, rank, relevance, iteration } of entries) {
        if (relevance === undefined || (depth !== -1 && rank > depth)) continue;
        qrels.push({ queryId, docId, relevance, iteration: iteration ?? '0' });
      }
    }
    return qrels;
  }

  #chosen(topics: TopicChoice | undefined): readonly UsedTopic[] {
    return typeof topics === 'object' ? topics.map((index) => this.#topics[index]!) : this.#topics.slice(0, topics);
  }

  async close(): Promise<void> {
    await this.#run.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function targetOptions(
  { targets }: RunDatasetOptions,
  { depth, normalizeTargets }: TopicUse,
): TargetOptions | undefined {
  if (targets === undefined || targets === null || targets === 'subtopic_relevance') return undefined;
  return { targets, normalizeTargets, depth };
}

/** The reason that there are no targets, if any. Not an error: scoring works without targets. */
function targetObstacle(options: RunDatasetOptions, run: RunFile, judgements: Qrel[] | undefined): string | undefined {
  switch (options.targets) {
    case 'subtopic_relevance':
      return 'targets: subtopic_relevance is not supported';
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
