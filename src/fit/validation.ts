import type { Qrel } from '../data/records.js';
import { RunDataset } from '../data/run-dataset.js';
import type { TrainableModel } from '../engine/trainable-model.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { evaluateScored } from '../evaluate/evaluate.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import type { ScoreMatrix } from '../loss/loss.js';
import { scoreTopics, type ScoredTopic } from '../rerank/scored-topics.js';
import type { ValidateOptions } from './fit-options.js';

/** lightning-ir's name for the losses among the measures. */
const LOSS = 'loss';

/** Losses by name, as `Trainer.losses` gives them. */
export type ComputeLosses = (scores: ScoreMatrix, targets: ScoreMatrix) => Record<string, number>;

interface OpenDataset {
  /** Run file's name or dataset id, as lightning-ir names it in metrics. */
  name: string;
  dataset: RunDataset;
  /** Undefined: it has none, or nothing is measured. */
  qrels: readonly Qrel[] | undefined;
}

/** Scores validation runs with the model as it is, and measures them. */
export class Validation implements AsyncDisposable {
  private constructor(
    private readonly datasets: readonly OpenDataset[],
    private readonly measures: readonly string[],
    private readonly withLosses: boolean,
    private readonly batchSize: number,
  ) {}

  /** Opens and checks every dataset, so that a mistake in one shows before training begins. */
  static async open(
    options: ValidateOptions,
    onWarning: (message: string) => void,
    signal?: AbortSignal,
  ): Promise<Validation> {
    const measures = options.metrics.filter((name) => name !== LOSS).map((name) => parseMeasure(name).name);
    const datasets: OpenDataset[] = [];
    try {
      for (const settings of options.datasets) {
        throwIfAborted(signal);
        const dataset = await RunDataset.open(settings, options.registry, { signal, ...options.indexing });
        const opened: OpenDataset = { name: dataset.label, dataset, qrels: undefined };
        const isTaken = datasets.some(({ name }) => name === opened.name);
        datasets.push(opened);
        if (isTaken) throw sameName(opened.name);
        for (const warning of dataset.warnings) onWarning(warning);
        if (measures.length === 0) continue;
        opened.qrels = await dataset.qrels();
        if (opened.qrels === undefined) onWarning(`${opened.name}: has no qrels, so it is not measured`);
      }
    } catch (error) {
      for (const { dataset } of datasets) await dataset.close();
      throw error;
    }
    return new Validation(datasets, measures, options.metrics.includes(LOSS), options.batchSize ?? 1);
  }

  /** What metrics begin with, of each dataset. */
  get names(): string[] {
    return this.datasets.map(({ name }) => name);
  }

  /** Batches of each dataset. */
  get batches(): number[] {
    return this.datasets.map(({ dataset }) => Math.ceil(dataset.countTopics() / this.batchSize));
  }

  /** @throws RankDistillmError `bad_input` for a measure that is watched and that a dataset cannot give for want of qrels */
  assertGives(monitors: readonly string[]): void {
    for (const { name, qrels } of this.datasets) {
      const wanted = this.measures.find((measure) => monitors.includes(`${name}/${measure}`));
      if (qrels === undefined && wanted !== undefined) throw noQrels(name, wanted);
    }
  }

  /**
   * @param batches of each dataset, from its start
   * @throws RankDistillmError `aborted` as soon as the signal fires; what data and engine throw
   * @returns `<dataset>/nDCG@10`, `<dataset>/validation-RankNet`
   */
  async run(
    model: TrainableModel,
    losses: ComputeLosses,
    batches: readonly number[],
    signal?: AbortSignal,
  ): Promise<Record<string, number>> {
    const metrics: Record<string, number> = {};
    for (const [i, { name, dataset, qrels }] of this.datasets.entries()) {
      throwIfAborted(signal);
      if (qrels === undefined && !this.withLosses) continue;
      const topics: ScoredTopic[] = [];
      const samples = dataset.samples(batches[i]! * this.batchSize);
      for await (const topic of scoreTopics(samples, (pairs) => model.scoreWindows(pairs, signal))) topics.push(topic);
      const values = { ...this.#measure(topics, qrels), ...(this.withLosses ? this.#losses(topics, losses) : {}) };
      for (const [measure, value] of Object.entries(values)) metrics[`${name}/${measure}`] = value;
    }
    return metrics;
  }

  async close(): Promise<void> {
    for (const { dataset } of this.datasets) await dataset.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #measure(topics: readonly ScoredTopic[], qrels: readonly Qrel[] | undefined): Record<string, number> {
    if (qrels === undefined) return {};
    const run = topics.flatMap(({ sample: { queryId, docIds }, scores }) =>
      docIds.map((docId, i) => ({ queryId, docId, score: scores[i]! })),
    );
    return evaluateScored(run, qrels, this.measures).mean;
  }

  /** Losses of each batch, weighted by its topics: the mean that lightning-ir means to log, see docs/training.md. */
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

  /** Batches; topics with another number of documents than the one before begin one of their own. */
  #groups(topics: readonly ScoredTopic[]): ScoredTopic[][] {
    const groups: ScoredTopic[][] = [];
    for (const topic of topics) {
      const last = groups.at(-1);
      const joins = last && last.length < this.batchSize && last[0]!.scores.length === topic.scores.length;
      if (joins) last.push(topic);
      else groups.push([topic]);
    }
    return groups;
  }
}

function sameName(name: string): RankDistillmError {
  return new RankDistillmError(
    'bad_input',
    `${name}: two validation runs have this name, so logs cannot tell them apart`,
    {
      hint: 'Rename one of the files.',
    },
  );
}

function noQrels(name: string, measure: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${name}: has no qrels, so ${name}/${measure} cannot be watched`, {
    hint: 'Register qrels for its dataset, or name another value in monitor.',
  });
}
