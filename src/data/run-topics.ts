import { RankDistillmError } from '../errors.js';
import { compareUtf8 } from '../io/text.js';
import type { RandomStream } from '../random/random-stream.js';
import { candidatesOf, MissingDocuments, withAdded, type Candidate, type TopicGrades } from './candidates.js';
import { ownQuery, type OpenRun } from './open-run.js';
import type { RankingSample } from './records.js';
import type { RunFile, RunTopic } from './run-file.js';
import type { CheckedRunOptions } from './run-options.js';
import { drawSample, obstacleTo, reachOf } from './samplers.js';
import { KeptSurvey } from './survey-cache.js';
import { targetsOf, type TargetOptions } from './targets.js';
import { hasWhiteSpace } from './write-run.js';

/** How a run's topics are used. */
export interface TopicUse extends CheckedRunOptions {
  /** By topic; undefined when the run has its own grades or there are no grades. */
  grades: ReadonlyMap<string, TopicGrades> | undefined;
  /** Undefined when no targets are given. */
  targetOptions: TargetOptions | undefined;
  /** Verb for the error when no topic is left, for example `score`. */
  purpose: string;
}

/** A topic in use; its documents are read on demand. */
export interface UsedTopic {
  queryId: string;
  query: string;
  /** First line in the run. */
  line: number;
  /** Number of documents that can be sampled. */
  size: number;
  /** Judged documents that are not in the ranking and have a text. */
  added: readonly string[];
}

/** An id that cannot be written to a TREC run. */
export interface UnwritableId {
  what: string;
  id: string;
  line: number;
}

export interface RunTopics {
  /** Sorted by id, as text. */
  topics: UsedTopic[];
  /** Skipped topics and documents with the reason, and a depth beyond the run's; one sentence each. */
  warnings: string[];
  /** Topics whose targets are all equal. */
  equalTargets: number;
  /** Ranked documents with a score below 0, the target of added documents. */
  negativeScores: number;
  /** The first such id. */
  unwritable: UnwritableId | undefined;
}

const NO_GRADES: TopicGrades = new Map();

/**
 * Reads a run once, topic by topic: skips topics that make no sample, and looks up the query of every topic and the
 * text of every document that can be sampled. A ranked document without a text is an error. What is found for a run in
 * the cache is kept there.
 */
export async function surveyTopics(run: OpenRun, use: TopicUse): Promise<RunTopics> {
  const kept = await KeptSurvey.of(run, use);
  const before = await kept?.read();
  if (before === undefined) {
    const topics = await readTopics(run, use);
    await kept?.write({ topics, readsQueries: run.usedQueries !== undefined });
    return topics;
  }
  await run.useDataset(before.readsQueries);
  return before.topics;
}

async function readTopics(run: OpenRun, use: TopicUse): Promise<RunTopics> {
  const survey = new Survey(run, use);
  for await (const topic of run.file.stream()) await survey.add(topic);
  return survey.finish();
}

/** Reads a topic and draws its documents. `random` creates the topic's random stream, if one is needed. */
export async function sampleOf(
  run: OpenRun,
  { queryId, query, added }: UsedTopic,
  use: TopicUse,
  random: () => RandomStream,
): Promise<RankingSample> {
  const candidates = candidatesFor(await run.file.topic(queryId), added, use);
  const documents = drawSample(candidates, use.sampleSize, use.samplingStrategy, random);
  const sample: RankingSample = { queryId, query, ...(await run.texts(documents)) };
  if (use.targetOptions !== undefined) sample.targets = targetsOf(documents, use.targetOptions);
  return sample;
}

/** The documents of a topic to sample from. */
function candidatesFor(
  topic: RunTopic,
  added: readonly string[],
  { depth, grades, addDocsNotInRanking }: TopicUse,
): Candidate[] {
  const topicGrades = grades && (grades.get(topic.queryId) ?? NO_GRADES);
  const candidates = candidatesOf(topic, depth, topicGrades);
  return addDocsNotInRanking && topicGrades !== undefined ? withAdded(candidates, added, topicGrades) : candidates;
}

class Survey {
  readonly #run: OpenRun;
  readonly #use: TopicUse;
  readonly #missing = new MissingDocuments();
  readonly #topics: (Omit<UsedTopic, 'query'> & { query: string | undefined })[] = [];
  #maxRank = -Infinity;
  #unjudged = 0;
  #tooFew = 0;
  #withoutRelevant = 0;
  /** Judged documents that are neither in the ranking nor in the collection. */
  #judgedWithoutText = 0;
  #equalTargets = 0;
  #negativeScores = 0;
  #unwritable: UnwritableId | undefined;

  constructor(run: OpenRun, use: TopicUse) {
    this.#run = run;
    this.#use = use;
  }

  async add(topic: RunTopic): Promise<void> {
    const { grades, sampleSize, samplingStrategy, targetOptions } = this.#use;
    const { queryId, entries, lines } = topic;
    for (const { rank } of entries) this.#maxRank = Math.max(this.#maxRank, rank);
    if (grades?.has(queryId) === false) {
      this.#unjudged += 1;
      return;
    }
    const added = await this.#judgedOutside(topic);
    const candidates = candidatesFor(topic, added, this.#use);
    const obstacle = obstacleTo(candidates, sampleSize, samplingStrategy);
    if (obstacle === 'too_few') this.#tooFew += 1;
    if (obstacle === 'no_relevant') this.#withoutRelevant += 1;
    if (obstacle !== undefined) return;
    const reach = reachOf(candidates, sampleSize, samplingStrategy);
    for (const candidate of reach) await this.#look(candidate);
    const isEqual = sampleSize === 1 || areEqual(targetOptions === undefined ? [] : targetsOf(reach, targetOptions));
    if (targetOptions !== undefined && isEqual) this.#equalTargets += 1;
    const [line] = lines as [number];
    if (hasWhiteSpace(queryId)) this.#unwritable ??= { what: 'query id', id: queryId, line };
    this.#topics.push({ queryId, query: ownQuery(topic, this.#run.file), line, size: reach.length, added });
  }

  async finish(): Promise<RunTopics> {
    const { file, path } = this.#run;
    if (this.#missing.any) {
      throw this.#missing.error((line) => file.place(line), (await this.#run.collection()).path);
    }
    const reasons = this.#leftOut();
    if (this.#topics.length === 0) {
      const why = reasons.join('; ');
      throw new RankDistillmError('bad_input', `${path}: no topic is left to ${this.#use.purpose}; ${why}`, {
        hint: 'Check that the run belongs to this dataset, and depth, sample_size and sampling_strategy.',
      });
    }
    const topics = await this.#run.withQueries(this.#topics);
    topics.sort((a, b) => compareUtf8(a.queryId, b.queryId));
    const warnings = [...reasons, ...this.#depthWarning()].map((reason) => `${path}: ${reason}`);
    const [equalTargets, negativeScores, unwritable] = [this.#equalTargets, this.#negativeScores, this.#unwritable];
    return { topics, warnings, equalTargets, negativeScores, unwritable };
  }

  /** Judged documents that are not in the ranking (cut at `depth`) and have a text. */
  async #judgedOutside({ queryId, entries }: RunTopic): Promise<string[]> {
    const { depth, grades, addDocsNotInRanking } = this.#use;
    const topicGrades = grades?.get(queryId);
    if (!addDocsNotInRanking || topicGrades === undefined) return [];
    const inside = new Set(entries.filter(({ rank }) => depth === -1 || rank <= depth).map(({ docId }) => docId));
    const outside = [...topicGrades.keys()].filter((docId) => !inside.has(docId));
    if (outside.length === 0) return [];
    const collection = await this.#run.collection();
    const added = outside.filter((docId) => collection.has(docId));
    this.#judgedWithoutText += outside.length - added.length;
    return added;
  }

  /** Checks that a ranked document has a text and the values that the sampler and the targets need. */
  async #look(candidate: Candidate): Promise<void> {
    const { docId, rank, score, text } = candidate;
    if (rank === undefined) return; // added documents have a text
    const line = candidate.line!;
    checkValues(candidate, this.#run.file, this.#use);
    if (score < 0) this.#negativeScores += 1;
    const known = text !== undefined || (await this.#run.collection()).has(docId);
    this.#missing.count(known, { docId, rank }, line);
    if (hasWhiteSpace(docId)) this.#unwritable ??= { what: 'document id', id: docId, line };
  }

  #leftOut(): string[] {
    const { depth, sampleSize } = this.#use;
    const { qrels, docs } = this.#run.source.dataset ?? {};
    const few =
      sampleSize === -1 ? `no document within depth ${depth}` : `fewer than ${sampleSize} documents to sample from`;
    const counts: [number, string][] = [
      [this.#unjudged, `topics without judgements in ${qrels}, skipped`],
      [this.#tooFew, `topics with ${few}, skipped`],
      [this.#withoutRelevant, 'topics without a relevant document, skipped'],
      [this.#judgedWithoutText, `judged documents without a text in ${docs}, not added`],
    ];
    return counts.filter(([count]) => count > 0).map(([count, what]) => `${what}: ${count}`);
  }

  /** The warning that lightning-ir gives. */
  #depthWarning(): string[] {
    const { depth } = this.#use;
    if (depth === -1 || this.#maxRank >= depth) return [];
    return [`depth ${depth} is greater than the greatest rank, ${this.#maxRank}`];
  }
}

function areEqual(targets: readonly number[]): boolean {
  return targets.every((target) => target === targets[0]);
}

/** Refuses values that the sampler or the targets cannot use. */
function checkValues({ rank, score, line }: Candidate, run: RunFile, use: TopicUse): void {
  if (use.samplingStrategy === 'log_random' && use.sampleSize !== -1 && rank! < 1) {
    throw new RankDistillmError(
      'bad_input',
      `${run.place(line!)}: rank ${rank}, but sampling_strategy: log_random needs ranks of at least 1`,
      { hint: 'Count ranks from 1, or use another sampling_strategy.' },
    );
  }
  if (use.targetOptions?.targets === 'score' && !Number.isFinite(Math.fround(score))) {
    throw new RankDistillmError('bad_input', `${run.place(line!)}: score ${score} is too large for float32`, {
      hint: 'targets: score learns scores as float32 numbers; scale them.',
    });
  }
}
