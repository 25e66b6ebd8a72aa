import { prefetch } from '../io/ahead.js';
import type { CollectionIndexOptions } from './collection/collection-index.js';
import { dashed, runStem } from './dataset-id.js';
import { gradesByTopic, readQrels } from './formats/qrels.js';
import { fingerprintTopics, OpenRun } from './open-run.js';
import type { Qrel, RankingSample } from './records.js';
import type { DatasetRegistry } from './registry.js';
import type { RunFile } from './run-file.js';
import { checkRunOptions, type RunDatasetOptions } from './run-options.js';
import { sampleOf, surveyTopics, type TopicUse, type UnwritableId, type UsedTopic } from './run-topics.js';
import type { TargetOptions } from './targets.js';
import type { ValidationDataset } from './training-dataset.js';
import { refuseWhiteSpace } from './write-run.js';

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

/**
 * The topics of a run with their queries' and documents' texts, as lightning-ir's RunDataset gives them for inference:
 * topics in the order of their ids (as text), documents in the order of their ranks. Topics without judgements are left
 * out when the dataset has judgements. Only a few topics are held at a time.
 */
export class RunDataset implements ValidationDataset {
  readonly #run: OpenRun;
  readonly #use: TopicUse;
  readonly #topics: readonly UsedTopic[];
  readonly #judgements: Qrel[] | undefined;
  readonly #unwritable: UnwritableId | undefined;
  /** Things a user should know, one sentence each: topics left out, a depth beyond the run's. */
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
   * Reads the run to check it: every query and every document that will be scored must have a text. `indexing` says where
   * the collection's index is kept and reports its building.
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

  /** Id of the dataset: as registered, or as the run file's name says where it is not. */
  get datasetId(): string {
    return this.#run.source.datasetId;
  }

  /** The run file; undefined when the dataset was named by its id. */
  get runPath(): string | undefined {
    return this.#run.source.isFile ? this.#run.path : undefined;
  }

  /** What logs and tables call this run: its file's name, or the id that stands for it. */
  get label(): string {
    return this.#run.source.name;
  }

  /**
   * Name of a run that re-ranks this one, without suffix: the file's name without `.gz` and the suffix of its format, or the
   * id that stands for the run, with dashes. lightning-ir cuts a file's name at its first dot, and then two runs may
   * share a name.
   */
  get runName(): string {
    return this.runPath === undefined ? dashed(this.label) : runStem(this.runPath);
  }

  /** Every file that is read for this dataset: none of them may be written over. */
  get inputFiles(): string[] {
    const { run, docs, queries, qrels } = this.files;
    return [run, docs, queries, qrels].filter((path) => path !== undefined);
  }

  /** The same by what they hold. */
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

  /** Hashes of the topics that `samples` gives, or the first so many: of their ids, and of their queries' texts. */
  fingerprintTopics(topics?: number): { ids: string; queries: string } {
    return fingerprintTopics(this.#topics.slice(0, topics));
  }

  /** Throws if an id cannot be written into a TREC run, and names its line: to be called before hours of scoring for one. */
  assertWritable(): void {
    if (!this.#unwritable) return;
    const { what, id, line } = this.#unwritable;
    refuseWhiteSpace(this.#run.file.place(line), what, id);
  }

  /** Number of topics that `samples` gives. */
  countTopics(): number {
    return this.#topics.length;
  }

  /** Number of documents over all topics, or the first so many, that `samples` gives. */
  countPairs(topics?: number): number {
    return this.#topics.slice(0, topics).reduce((sum, topic) => sum + topic.size, 0);
  }

  /** The topics, or the first so many, one after the other; texts are fetched shortly before. */
  samples(topics?: number): AsyncGenerator<RankingSample> {
    const noRandom = (): never => {
      throw new RangeError('inference draws nothing at random');
    };
    return prefetch(this.#topics.slice(0, topics), TOPICS_AHEAD, (topic) =>
      sampleOf(this.#run, topic, this.#use, noRandom),
    );
  }

  /**
   * Judgements: the run's own (within depth, as lightning-ir takes them) if it carries some, else the dataset's;
   * undefined without any.
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

/** Why targets cannot be given. Scoring continues without them, so this is no error here. */
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
