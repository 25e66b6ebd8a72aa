import { RankDistillmError } from '../errors.js';
import { type Candidate, candidatesOf, MissingDocuments, type TopicGrades, withAdded } from './candidates.js';
import type { CollectionStore } from './collection/collection-store.js';
import { ownQuery } from './open-run.js';
import type { RunFile, RunTopic } from './run-file.js';
import type { CheckedTrainingOptions } from './run-options.js';
import { obstacleTo, reachOf } from './samplers.js';

/** A topic to train on; its documents are read when it is drawn. */
export interface TrainingTopic {
  queryId: string;
  query: string | undefined;
  /** First line in the run. */
  line: number;
  /** Number of documents to sample from. */
  size: number;
  /** Judged documents that the ranking lacks and whose texts are known. */
  added: readonly string[];
}

export interface SurveyOptions extends CheckedTrainingOptions {
  /** Undefined when the run has its own grades, or there are none. */
  grades: ReadonlyMap<string, TopicGrades> | undefined;
  openCollection: () => Promise<CollectionStore>;
}

/** What one pass over the run finds out. Numbers are of topics left out, but for the last two. */
export interface TrainingSurvey {
  topics: TrainingTopic[];
  maxRank: number;
  unjudged: number;
  tooFew: number;
  withoutRelevant: number;
  /** Judged documents outside the ranking that the collection lacks. */
  judgedWithoutText: number;
  /** Ranked documents whose score is below 0, the target of added ones. */
  negativeScores: number;
}

/** Judgements of a topic that has none. */
export const NO_GRADES: TopicGrades = new Map();

/** The documents of a topic that samples are drawn from. */
export function trainingCandidates(
  topic: RunTopic,
  added: readonly string[],
  { depth, grades, addDocsNotInRanking }: Pick<SurveyOptions, 'depth' | 'grades' | 'addDocsNotInRanking'>,
): Candidate[] {
  const topicGrades = grades && (grades.get(topic.queryId) ?? NO_GRADES);
  const candidates = candidatesOf(topic, depth, topicGrades);
  return addDocsNotInRanking && topicGrades !== undefined ? withAdded(candidates, added, topicGrades) : candidates;
}

/**
 * Passes over the run once, one topic at a time: sorts out topics that samples cannot be drawn from, and looks up the text
 * of every document that may be drawn. A ranked document without text is an error, as in RunDataset.
 */
export async function surveyTraining(run: RunFile, options: SurveyOptions): Promise<TrainingSurvey> {
  const survey: TrainingSurvey = {
    topics: [],
    maxRank: -Infinity,
    unjudged: 0,
    tooFew: 0,
    withoutRelevant: 0,
    judgedWithoutText: 0,
    negativeScores: 0,
  };
  const missing = new MissingDocuments();
  let collection: CollectionStore | undefined;
  for await (const topic of run.stream()) {
    for (const entry of topic.entries) survey.maxRank = Math.max(survey.maxRank, entry.rank);
    if (options.grades?.has(topic.queryId) === false) {
      survey.unjudged += 1;
      continue;
    }
    const outside = judgedOutside(topic, options);
    if (outside.length > 0) collection ??= await options.openCollection();
    const added = outside.filter((docId) => collection!.has(docId));
    survey.judgedWithoutText += outside.length - added.length;
    const candidates = trainingCandidates(topic, added, options);
    const obstacle = obstacleTo(candidates, options.sampleSize, options.samplingStrategy);
    if (obstacle !== undefined) {
      survey[obstacle === 'too_few' ? 'tooFew' : 'withoutRelevant'] += 1;
      continue;
    }
    for (const candidate of reachOf(candidates, options.sampleSize, options.samplingStrategy)) {
      if (candidate.rank === undefined) continue;
      const { docId, rank, text, line } = candidate;
      checkValues(candidate, run, options);
      if (candidate.score < 0) survey.negativeScores += 1;
      const known = text !== undefined || (collection ??= await options.openCollection()).has(docId);
      missing.count(known, { docId, rank }, line!);
    }
    const query = ownQuery(topic, run);
    const size = candidates.length;
    survey.topics.push({ queryId: topic.queryId, query, line: topic.lines[0]!, size, added });
  }
  if (missing.any) throw missing.error((line) => run.place(line), collection!.path);
  return survey;
}

/** Judged documents that the ranking, cut at `depth`, lacks. */
function judgedOutside(topic: RunTopic, { depth, grades, addDocsNotInRanking }: SurveyOptions): string[] {
  const topicGrades = grades?.get(topic.queryId);
  if (!addDocsNotInRanking || topicGrades === undefined) return [];
  const inside = new Set(topic.entries.filter(({ rank }) => depth === -1 || rank <= depth).map(({ docId }) => docId));
  return [...topicGrades.keys()].filter((docId) => !inside.has(docId));
}

/** Values that the sampler or the targets cannot do with. */
function checkValues(candidate: Candidate, run: RunFile, options: CheckedTrainingOptions): void {
  const { rank, score, line } = candidate;
  if (options.samplingStrategy === 'log_random' && options.sampleSize !== -1 && rank! < 1) {
    throw new RankDistillmError(
      'bad_input',
      `${run.place(line!)}: rank ${rank}, but sampling_strategy: log_random needs ranks of at least 1`,
      { hint: 'Count ranks from 1, or take another sampling_strategy.' },
    );
  }
  if (options.targets === 'score' && !Number.isFinite(Math.fround(score))) {
    throw new RankDistillmError('bad_input', `${run.place(line!)}: score ${score} is too large for float32`, {
      hint: 'targets: score learns scores as float32 numbers; scale them.',
    });
  }
}
