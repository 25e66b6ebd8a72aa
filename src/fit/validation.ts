import { checkOptions } from '../config/read-settings.js';
import { tupleDatasetOptions } from '../config/schema/data.js';
import { aboutSetting, type SettingPath } from '../config/setting-error.js';
import type { CollectionIndexOptions } from '../data/collection/index-cache.js';
import { openValidationDataset } from '../data/open-dataset.js';
import { findRun } from '../data/open-run.js';
import type { Qrel } from '../data/records.js';
import type { DatasetRegistry } from '../data/registry.js';
import { checkRunOptions, type RunDatasetOptions } from '../data/run-options.js';
import { isIn, type TopicChoice, type ValidationDataset } from '../data/training-dataset.js';
import type { TupleDatasetOptions } from '../data/tuple-dataset.js';
import type { TrainableModel } from '../engine/trainable-model.js';
import type { RankGroup } from '../ranks/rank-group.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { evaluateScored } from '../evaluate/evaluate.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import type { ScoreMatrix } from '../loss/loss.js';
import { scoreTopics, type ScoredTopic } from '../rerank/scored-topics.js';
import type { ValidateSettings } from './fit-options.js';

export interface ValidationContext {
  registry: DatasetRegistry;
  indexing: CollectionIndexOptions;
  warn: (message: string) => void;
}

/** lightning-ir's name for the losses in `metrics`. */
const LOSS = 'loss';

/** `Trainer.losses`: losses by name. */
export type ComputeLosses = (scores: ScoreMatrix, targets: ScoreMatrix) => Record<string, number>;

interface PlannedDataset {
  /** Name of the run file or dataset id, as in lightning-ir's metrics. */
  name: string;
  options: RunDatasetOptions | TupleDatasetOptions;
  hasTargets: boolean;
}

interface OpenDataset extends PlannedDataset {
  dataset: ValidationDataset;
  /** Undefined: the dataset has none, or no measures are computed. */
  qrels: readonly Qrel[] | undefined;
}

/** Scores validation runs with the current model and computes measures and losses. */
export class Validation implements AsyncDisposable {
  readonly #planned: readonly PlannedDataset[];
  readonly #measures: readonly string[];
  readonly #withLosses: boolean;
  readonly #batchSize: number;
  readonly #group: RankGroup | undefined;
  #open: OpenDataset[] = [];

  private constructor(
    datasets: readonly PlannedDataset[],
    { metrics, batchSize }: ValidateSettings,
    group: RankGroup | undefined,
  ) {
    this.#planned = datasets;
    this.#group = group;
    this.#measures = metrics.filter((name) => name !== LOSS).map((name) => parseMeasure(name).name);
    this.#withLosses = metrics.includes(LOSS);
    this.#batchSize = batchSize * (group?.ranks ?? 1);
  }

  /**
   * Checks and names the datasets without opening them.
   *
   * @param group ranks that divide the topics; a batch is what all of them are given
   */
  static async plan(settings: ValidateSettings, registry: DatasetRegistry, group?: RankGroup): Promise<Validation> {
    const datasets: PlannedDataset[] = [];
    for (const [i, options] of settings.datasets.entries()) {
      const planned = await planDataset(options, ['validate', 'datasets', i], registry);
      if (datasets.some((other) => other.name === planned.name)) throw sameName(planned.name);
      datasets.push(planned);
    }
    return new Validation(datasets, settings, group);
  }

  /** Opens and checks every dataset, so that errors show before training begins. */
  async open(watched: readonly string[], context: ValidationContext): Promise<void> {
    const { registry, indexing, warn } = context;
    for (const planned of this.#planned) {
      throwIfAborted(indexing.signal);
      const dataset = await openValidationDataset(planned.options, { registry, indexing });
      const opened: OpenDataset = { ...planned, dataset, qrels: undefined };
      this.#open.push(opened);
      for (const warning of dataset.warnings) warn(warning);
      if (this.#measures.length === 0) continue;
      opened.qrels = await dataset.qrels();
      if (opened.qrels !== undefined) continue;
      const wanted = this.#measures.find((measure) => watched.includes(`${planned.name}/${measure}`));
      if (wanted !== undefined) throw noQrels(planned.name, wanted);
      warn(`${planned.name}: has no qrels, so no measures are computed`);
    }
  }

  /** Names of the datasets, the prefixes of their metrics. */
  get names(): string[] {
    return this.#planned.map(({ name }) => name);
  }

  /** Names of all logged metrics, given the names of the losses. */
  loggedNames(losses: readonly string[]): string[] {
    return this.#planned.flatMap(({ name, hasTargets }) => [
      ...this.#measures.map((measure) => `${name}/${measure}`),
      ...(hasTargets && this.#withLosses ? losses.map((loss) => `${name}/validation-${loss}`) : []),
    ]);
  }

  /** Batches of each dataset. */
  get batches(): number[] {
    return this.#open.map(({ dataset }) => Math.ceil(dataset.countTopics() / this.#batchSize));
  }

  /**
   * @param batches of each dataset, from its start
   * @throws RankDistillmError `aborted` as soon as the signal fires; errors of data and engine
   * @returns `<dataset>/nDCG@10`, `<dataset>/validation-RankNet`
   */
  async run(
    model: TrainableModel,
    losses: ComputeLosses,
    batches: readonly number[],
    signal?: AbortSignal,
  ): Promise<Record<string, number>> {
    const metrics: Record<string, number> = {};
    for (const [i, { name, dataset, qrels }] of this.#open.entries()) {
      if (!this.#group) throwIfAborted(signal); // ranks end together, see #score
      if (qrels === undefined && !this.#withLosses) continue;
      const count = Math.min(dataset.countTopics(), batches[i]! * this.#batchSize);
      const topics = await this.#score(model, dataset, count, signal);
      const values = { ...this.#measure(topics, qrels), ...(this.#withLosses ? this.#losses(topics, losses) : {}) };
      for (const [measure, value] of Object.entries(values)) metrics[`${name}/${measure}`] = value;
    }
    return metrics;
  }

  /** The first `count` topics with their scores; ranks each score a part of them. */
  async #score(
    model: TrainableModel,
    dataset: ValidationDataset,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<ScoredTopic[]> {
    const score = async (choice: TopicChoice): Promise<ScoredTopic[]> => {
      const topics: ScoredTopic[] = [];
      const scored = scoreTopics(dataset.samples(choice), (pairs) => model.scoreWindows(pairs, signal));
      for await (const topic of scored) topics.push(topic);
      return topics;
    };
    if (this.#group === undefined) return score(count);
    const { rank, ranks } = this.#group;
    const own = [...Array(count).keys()].filter((topic) => isIn({ index: rank, of: ranks }, topic));
    // a rank that is aborted says so, since the others wait for it
    const part = await score(own).catch((error: unknown) => {
      if (signal?.aborted) return undefined;
      throw error;
    });
    const parts = await this.#group.gather(part?.map(withoutTexts));
    const result: ScoredTopic[] = [];
    for (const [rank, topics] of parts.entries()) {
      if (topics === undefined) throw new RankDistillmError('aborted', 'interrupted');
      topics.forEach((topic, i) => (result[rank + i * ranks] = topic));
    }
    return result;
  }

  async close(): Promise<void> {
    for (const { dataset } of this.#open) await dataset.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #measure(topics: readonly ScoredTopic[], qrels: readonly Qrel[] | undefined): Record<string, number> {
    if (qrels === undefined) return {};
    const run = topics.flatMap(({ sample: { queryId, docIds }, scores }) =>
      docIds.map((docId, i) => ({ queryId, docId, score: scores[i]! })),
    );
    return evaluateScored(run, qrels, this.#measures).mean;
  }

  /** Mean of the batches' losses, weighted by their number of topics, see docs/training.md. */
  #losses(topics: readonly ScoredTopic[], losses: ComputeLosses): Record<string, number> {
    const sums: Record<string, number> = {};
    let counted = 0;
    for (const group of this.#groups(topics.filter(({ sample }) => sample.targets !== undefined))) {
      const docs = group[0]!.scores.length;
      const matrix = (rows: readonly (readonly number[])[]): ScoreMatrix => ({
        queries: group.length,
        docs,
        values: Float64Array.from(rows.flat()),
      });
      const values = losses(
        matrix(group.map(({ scores }) => scores)),
        matrix(group.map(({ sample }) => sample.targets!)),
      );
      for (const [name, value] of Object.entries(values)) {
        const key = `validation-${name}`;
        sums[key] = (sums[key] ?? 0) + value * group.length;
      }
      counted += group.length;
    }
    return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / counted]));
  }

  /** Groups topics into batches; a topic with a different number of documents starts a new batch. */
  #groups(topics: readonly ScoredTopic[]): ScoredTopic[][] {
    const groups: ScoredTopic[][] = [];
    for (const topic of topics) {
      const last = groups.at(-1);
      const joins = last && last.length < this.#batchSize && last[0]!.scores.length === topic.scores.length;
      if (joins) last.push(topic);
      else groups.push([topic]);
    }
    return groups;
  }
}

/** Measures and losses do not need them. */
function withoutTexts({ sample, ...scored }: ScoredTopic): ScoredTopic {
  return { sample: { ...sample, query: '', docs: [] }, ...scored };
}

async function planDataset(
  options: RunDatasetOptions | TupleDatasetOptions,
  path: SettingPath,
  registry: DatasetRegistry,
): Promise<PlannedDataset> {
  if ('tuplesDataset' in options) {
    aboutSetting(path, () => checkOptions(tupleDatasetOptions, options));
    return { name: registry.get(options.tuplesDataset, 'tuples_dataset').id, options, hasTargets: true };
  }
  aboutSetting(path, () => checkRunOptions(options));
  return { name: (await findRun(options, registry)).name, options, hasTargets: options.targets != null };
}

function sameName(name: string): RankDistillmError {
  return new RankDistillmError(
    'bad_input',
    `${name}: two validation runs have this name, so their metrics would have the same names`,
    {
      hint: 'Rename one of the files.',
    },
  );
}

function noQrels(name: string, measure: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${name}: has no qrels, so ${name}/${measure} cannot be monitored`, {
    hint: 'Register qrels for its dataset, or set monitor to another metric.',
  });
}
