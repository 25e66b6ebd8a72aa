import { gradesByTopic } from '../data/formats/qrels.js';
import type { Qrel, RunEntry } from '../data/records.js';
import { badArgument, RankDistillmError } from '../errors.js';
import type { Measure } from './measure.js';
import { parseMeasure } from './parse-measure.js';
import { rankOrder } from './rank-order.js';

/** Values by measure name, for example `{ 'nDCG@10': 0.4796 }`. */
export type MeasureValues = Record<string, number>;

export interface Evaluation {
  /** Mean over all judged topics; for counts (NumRet, NumRel, NumQ) the sum. */
  mean: MeasureValues;
  /** One entry per judged topic, in the qrels' order. */
  byQuery: Map<string, MeasureValues>;
  /** Number of judged topics in the run; the others count 0 in the mean. */
  topicsInRun: number;
}

interface TopicRanking {
  docIds: string[];
  scores: number[];
}

function groupQrels(qrels: Iterable<Qrel>): Map<string, Map<string, number>> {
  const all = [...qrels];
  const seen = new Map<string, number>();
  for (const { queryId, docId, iteration, relevance } of all) {
    const key = JSON.stringify([queryId, docId, iteration]);
    const earlier = seen.get(key);
    if (earlier !== undefined && earlier !== relevance) {
      throw new RankDistillmError(
        'bad_input',
        `qrels: topic ${queryId} judges document ${docId} twice, as ${earlier} and as ${relevance}`,
        { hint: 'Keep one judgement per topic and document.' },
      );
    }
    seen.set(key, relevance);
  }
  return gradesByTopic(all);
}

function groupRun(run: Iterable<Pick<RunEntry, 'queryId' | 'docId' | 'score'>>, topics: ReadonlyMap<string, unknown>) {
  const rankings = new Map<string, TopicRanking>();
  for (const { queryId, docId, score } of run) {
    if (typeof score !== 'number' || Number.isNaN(score)) {
      throw new RankDistillmError(
        'bad_input',
        `run: the score of topic ${queryId}, document ${docId} is not a number`,
        {
          hint: 'Every line of a run needs a score.',
        },
      );
    }
    if (!topics.has(queryId)) continue;
    let ranking = rankings.get(queryId);
    if (!ranking) rankings.set(queryId, (ranking = { docIds: [], scores: [] }));
    ranking.docIds.push(docId);
    ranking.scores.push(score);
  }
  return rankings;
}

/** Values for a topic of the run; for one that the run lacks they are 0, as in ir_measures. */
function evaluateTopic(
  queryId: string,
  ranking: TopicRanking | undefined,
  judgements: ReadonlyMap<string, number>,
  measures: readonly Measure[],
): MeasureValues {
  if (!ranking) return Object.fromEntries(measures.map(({ name }) => [name, 0]));
  const { docIds, scores } = ranking;
  if (new Set(docIds).size !== docIds.length) {
    const twice = docIds.find((docId, i) => docIds.indexOf(docId) !== i);
    throw new RankDistillmError('bad_input', `run: topic ${queryId} ranks document ${twice} twice`, {
      hint: 'Keep one line per topic and document.',
    });
  }
  const judged = [...judgements.values()].sort((a, b) => b - a);
  const byOrder = new Map(
    [...new Set(measures.map(({ order }) => order))].map((order) => [
      order,
      Array.from(rankOrder(docIds, scores, order), (position) => judgements.get(docIds[position]!)),
    ]),
  );
  const value = (measure: Measure): number => {
    try {
      return measure.compute({ retrieved: byOrder.get(measure.order)!, judged });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RankDistillmError('bad_input', `qrels: topic ${queryId}: ${error.message}`, {
        hint: 'Map the grades to smaller ones, or leave the measure out.',
      });
    }
  };
  return Object.fromEntries(measures.map((measure) => [measure.name, value(measure)]));
}

/**
 * Computes measures of a run, averaged over every topic of the qrels, as ir_measures does with its default providers.
 * Judged topics that are missing from the run or have no relevant documents count 0; unjudged topics are ignored. If a
 * document is judged in several iterations (subtopics), its highest grade counts. Documents are ordered as the program
 * that defines the measure orders them (see `RankOrder`); the rank column is ignored.
 *
 * @param measures names as in ir_measures, see `parseMeasure`; results are keyed by the canonical name
 * @throws RankDistillmError `bad_input`: unknown measure, qrels without a judgement, a document twice in a topic
 */
export function evaluate(
  run: Iterable<Pick<RunEntry, 'queryId' | 'docId' | 'score'>>,
  qrels: Iterable<Qrel>,
  measures: readonly string[],
): Evaluation {
  checkIterable('run', run);
  checkIterable('qrels', qrels);
  if (!Array.isArray(measures)) throw badArgument('measures', 'an array of names', measures);
  for (const name of measures as readonly unknown[]) {
    if (typeof name !== 'string') throw badArgument('measures', 'an array of names', name);
  }
  const parsed = [...new Map(measures.map(parseMeasure).map((measure) => [measure.name, measure])).values()];
  const topics = groupQrels(qrels);
  if (topics.size === 0) {
    throw new RankDistillmError('bad_input', 'qrels: no judgement to evaluate against', {
      hint: 'Use a qrels file with at least one topic.',
    });
  }
  const rankings = groupRun(run, topics);
  const byQuery = new Map<string, MeasureValues>();
  const mean: MeasureValues = Object.fromEntries(parsed.map((measure) => [measure.name, 0]));
  for (const [queryId, judgements] of topics) {
    const values = evaluateTopic(queryId, rankings.get(queryId), judgements, parsed);
    byQuery.set(queryId, values);
    for (const name of Object.keys(mean)) mean[name]! += values[name]!;
  }
  for (const { name, isTotal } of parsed) if (!isTotal) mean[name]! /= topics.size;
  return { mean, byQuery, topicsInRun: rankings.size };
}

function checkIterable(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && Symbol.iterator in value) return;
  throw badArgument(name, 'an array or another iterable of entries', value);
}

/** Measures of the scored topics. */
export interface ScoredEvaluation {
  /** Mean over the judged topics of the run; empty if it has none. */
  mean: MeasureValues;
  /** Judged topics missing from the run; the mean excludes them. */
  unscored: number;
}

/**
 * Like `evaluate`, but averages only over the judged topics in the run, as lightning-ir does after re-ranking.
 */
export function evaluateScored(
  run: readonly Pick<RunEntry, 'queryId' | 'docId' | 'score'>[],
  qrels: readonly Qrel[],
  measures: readonly string[],
): ScoredEvaluation {
  const scored = new Set(run.map(({ queryId }) => queryId));
  const judged = new Set(qrels.map(({ queryId }) => queryId));
  const ofScored = qrels.filter(({ queryId }) => scored.has(queryId));
  const mean = ofScored.length === 0 ? {} : evaluate(run, ofScored, measures).mean;
  return { mean, unscored: [...judged].filter((queryId) => !scored.has(queryId)).length };
}
