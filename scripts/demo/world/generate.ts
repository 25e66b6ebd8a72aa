import type { Qrel, RunEntry } from '../../../src/data/records.js';
import { Bm25 } from '../bm25.js';
import { Random } from '../random.js';
import { makeEntities, type Counts } from './entities.js';
import { makePassages } from './passages.js';
import { makeQrels, makeQueries } from './queries.js';
import { teacherScore } from './teacher.js';
import type { Entity, Passage, Query, Split } from './types.js';

export interface WorldOptions {
  seed: number;
  counts: Readonly<Record<Split, Counts>>;
  queries: Readonly<Record<Split, number>>;
  /** Passages per topic of the first stage, and of the teacher that re-ranks it. */
  depth: number;
}

export const DEFAULT_WORLD: WorldOptions = {
  seed: 42,
  counts: {
    train: { person: 240, place: 120, work: 160, event: 120 },
    test: { person: 30, place: 15, work: 20, event: 15 },
  },
  queries: { train: 3500, test: 300 },
  depth: 30,
};

/** The same world with `scale` times as many entities and queries. */
export function scaledWorld(options: WorldOptions, scale: number): WorldOptions {
  const times = (count: number): number => Math.ceil(scale * count);
  const scaled = ({ person, place, work, event }: Counts): Counts => ({
    person: times(person),
    place: times(place),
    work: times(work),
    event: times(event),
  });
  const { counts, queries } = options;
  return {
    ...options,
    counts: { train: scaled(counts.train), test: scaled(counts.test) },
    queries: { train: times(queries.train), test: times(queries.test) },
  };
}

export interface Topics {
  queries: Query[];
  qrels: Qrel[];
  /** BM25, k1 0.9 and b 0.4. */
  bm25: RunEntry[];
  /** The same passages in the teacher's order. */
  teacher: RunEntry[];
}

export interface World extends Record<Split, Topics> {
  entities: Entity[];
  passages: Passage[];
}

/**
 * An invented world: passages that state facts about made-up people, places, works and events, questions about them
 * with grades 0 to 3, and two rankings. Everything follows from the seed. Train and test have no entity in common, and
 * the first stage of each searches its own passages only: a model that met test passages as wrong answers in training
 * would learn their names as signs of a wrong answer.
 */
export function generateWorld(options: WorldOptions): World {
  const random = new Random(options.seed);
  const entities = makeEntities(random.fork('entities'), options.counts);
  const passages = makePassages(random.fork('passages'), entities);
  return {
    entities,
    passages,
    train: makeTopics('train', options, entities, passages, random),
    test: makeTopics('test', options, entities, passages, random),
  };
}

function makeTopics(
  split: Split,
  { queries: counts, depth }: WorldOptions,
  entities: readonly Entity[],
  passages: readonly Passage[],
  random: Random,
): Topics {
  const byId = new Map(entities.map((entity) => [entity.id, entity]));
  const own = passages.filter(({ subjectId }) => byId.get(subjectId)!.split === split);
  const index = new Bm25(own.map(({ text }) => text));
  const queries = makeQueries(random.fork(`queries ${split}`), entities, split, counts[split]);
  const noise = random.fork(`teacher ${split}`);
  const bm25: RunEntry[] = [];
  const teacher: RunEntry[] = [];
  for (const query of queries) {
    const found = index.search(query.text, depth).map((hit) => ({ passage: own[hit.index]!, score: hit.score }));
    const judged = found.map(({ passage }) => ({ passage, score: teacherScore(query, passage, byId, noise) }));
    bm25.push(...ranked(query.queryId, found));
    teacher.push(...ranked(query.queryId, judged));
  }
  return { queries, qrels: makeQrels(queries, own, byId), bm25, teacher };
}

function ranked(queryId: string, scored: { passage: Passage; score: number }[]): RunEntry[] {
  return scored
    .toSorted((a, b) => b.score - a.score)
    .map(({ passage, score }, i) => ({ queryId, docId: passage.docId, rank: i + 1, score }));
}
