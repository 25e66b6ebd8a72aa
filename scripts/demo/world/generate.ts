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
    train: { person: 150, place: 50, work: 80, event: 50 },
    test: { person: 60, place: 20, work: 30, event: 20 },
  },
  queries: { train: 150, test: 50 },
  depth: 100,
};

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

function ranked(queryId: string, hits: { docId: string; score: number }[]): RunEntry[] {
  return hits.toSorted((a, b) => b.score - a.score).map((hit, i) => ({ queryId, ...hit, rank: i + 1 }));
}

/**
 * An invented world: passages that state facts about made-up people, places, works and events, questions about them
 * with grades 0 to 3, and two rankings. Everything follows from the seed. What the train and test questions ask about
 * has no entity and no relevant passage in common.
 */
export function generateWorld(options: WorldOptions): World {
  const random = new Random(options.seed);
  const entities = makeEntities(random.fork('entities'), options.counts);
  const byId = new Map(entities.map((entity) => [entity.id, entity]));
  const passages = makePassages(random.fork('passages'), entities);
  const index = new Bm25(passages.map((passage) => passage.text));
  const topics = (split: Split): Topics => {
    const queries = makeQueries(random.fork(`queries ${split}`), entities, split, options.queries[split]);
    const noise = random.fork(`teacher ${split}`);
    const found = queries.map((query) => ({ query, hits: index.search(query.text, options.depth) }));
    return {
      queries,
      qrels: makeQrels(queries, passages, byId),
      bm25: found.flatMap(({ query, hits }) =>
        ranked(
          query.queryId,
          hits.map((hit) => ({ docId: passages[hit.index]!.docId, score: hit.score })),
        ),
      ),
      teacher: found.flatMap(({ query, hits }) =>
        ranked(
          query.queryId,
          hits
            .map((hit) => passages[hit.index]!)
            .map((passage) => ({
              docId: passage.docId,
              score: teacherScore(query, passage, byId, noise),
            })),
        ),
      ),
    };
  };
  return { entities, passages, train: topics('train'), test: topics('test') };
}
