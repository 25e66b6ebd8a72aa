import type { Qrel, RunEntry } from '../../../src/data/records.js';
import { groupBy } from '../../lib/data.js';
import { Bm25 } from '../bm25.js';
import { Random } from '../random.js';
import { makeEntities, TEMPLATES, type Counts, type Entity, type Split } from './entities.js';
import { makePassages, question, type Passage, type Treatment } from './passages.js';

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

const FIRST_QUERY_ID: Readonly<Record<Split, number>> = { train: 1001, test: 9001 };
/** Grades as in TREC Deep Learning: 3 the answer, 2 the answer in passing, 1 on the question but without an answer. */
const GRADES: Readonly<Record<Treatment, number>> = { stated: 3, aside: 2, teased: 1 };
/** Standard deviation of the teacher's mistakes, in grades. Chosen for an nDCG@10 between .8 and .9. */
const NOISE = 0.9;

interface Query {
  queryId: string;
  text: string;
  entityId: string;
  relation: string;
}

interface Topics {
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

type Entities = ReadonlyMap<string, Entity>;

/** The same world with `scale` times as many entities and queries. */
export function scaledWorld(options: WorldOptions, scale: number): WorldOptions {
  const times = <T extends Readonly<Record<string, number>>>(counts: T): T =>
    Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Math.ceil(scale * count)])) as T;
  const { train, test } = options.counts;
  return { ...options, counts: { train: times(train), test: times(test) }, queries: times(options.queries) };
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
  const byId = new Map(entities.map((entity) => [entity.id, entity]));
  const topics = (split: Split): Topics => {
    const own = passages.filter(({ subjectId }) => byId.get(subjectId)!.split === split);
    const queries = makeQueries(random.fork(`queries ${split}`), entities, split, options.queries[split]);
    return { queries, qrels: makeQrels(queries, own, byId), ...rankings(queries, own, byId, split, options, random) };
  };
  return { entities, passages, train: topics('train'), test: topics('test') };
}

/** Questions of a split, spread over its entities; an entity is asked about twice only when all were once. */
function makeQueries(random: Random, entities: readonly Entity[], split: Split, count: number): Query[] {
  const open = entities
    .filter((entity) => entity.split === split)
    .map((entity) => ({ entity, relations: random.shuffle(TEMPLATES[entity.kind].relations) }));
  const queries: Query[] = [];
  while (queries.length < count) {
    const round = random.sample(
      open.filter(({ relations }) => relations.length > 0),
      count - queries.length,
    );
    if (round.length === 0) throw new RangeError(`the ${split} split has facts for ${queries.length} queries only`);
    for (const { entity, relations } of round) {
      const relation = relations.pop()!;
      queries.push({
        queryId: String(FIRST_QUERY_ID[split] + queries.length),
        text: question(random.pick(relation.ask), entity, random),
        entityId: entity.id,
        relation: relation.key,
      });
    }
  }
  return queries;
}

/** How well a passage answers a query, 0 to 3. */
function gradeOf(query: Query, passage: Passage): number {
  const grades = passage.mentions
    .filter((mention) => mention.entityId === query.entityId && mention.relation === query.relation)
    .map((mention) => GRADES[mention.treatment]);
  return Math.max(0, ...grades);
}

/** Judgements of every passage that mentions the asked entity or one of its namesakes; the rest is left unjudged. */
function makeQrels(queries: readonly Query[], passages: readonly Passage[], byId: Entities): Qrel[] {
  const namings = passages.flatMap((passage) => {
    const ids = [passage.subjectId, ...passage.mentions.map(({ entityId }) => entityId)];
    return [...new Set(ids.map((id) => byId.get(id)!.name))].map((name) => ({ name, passage }));
  });
  const byName = groupBy(namings, ({ name }) => name);
  return queries.flatMap((query) =>
    byName.get(byId.get(query.entityId)!.name)!.map(({ passage }) => ({
      queryId: query.queryId,
      docId: passage.docId,
      relevance: gradeOf(query, passage),
      iteration: '0',
    })),
  );
}

/** BM25's run of the split's passages, and the teacher's order of it. */
function rankings(
  queries: readonly Query[],
  passages: readonly Passage[],
  byId: Entities,
  split: Split,
  { depth }: WorldOptions,
  random: Random,
): Pick<Topics, 'bm25' | 'teacher'> {
  const index = new Bm25(passages.map(({ text }) => text));
  const noise = random.fork(`teacher ${split}`);
  const bm25: RunEntry[] = [];
  const teacher: RunEntry[] = [];
  const ranked = ({ queryId }: Query, scored: { passage: Passage; score: number }[]): RunEntry[] =>
    scored
      .toSorted((a, b) => b.score - a.score)
      .map(({ passage, score }, i) => ({ queryId, docId: passage.docId, rank: i + 1, score }));
  for (const query of queries) {
    const found = index.search(query.text, depth).map((hit) => ({ passage: passages[hit.index]!, score: hit.score }));
    bm25.push(...ranked(query, found));
    const scored = found.map(({ passage }) => ({ passage, score: teacherScore(query, passage, byId, noise) }));
    teacher.push(...ranked(query, scored));
  }
  return { bm25, teacher };
}

/**
 * The score that a good but not perfect re-ranker would give: the grade and, below that, whether the passage is at least
 * about the right entity, a namesake or the right sort of fact; plus noise. Gives passages of grade 0 an order too, as a
 * large language model's ranking does.
 */
function teacherScore(query: Query, passage: Passage, byId: Entities, random: Random): number {
  const entity = byId.get(query.entityId)!;
  const subject = byId.get(passage.subjectId)!;
  let affinity = 1.2 * gradeOf(query, passage);
  if (subject.id === entity.id) affinity += 0.6;
  else if (subject.name === entity.name) affinity += 0.2;
  else if (passage.mentions.some(({ entityId }) => entityId === entity.id)) affinity += 0.3;
  if (passage.mentions.some(({ relation, treatment }) => relation === query.relation && treatment === 'stated'))
    affinity += 0.2;
  return affinity + NOISE * random.normal();
}
