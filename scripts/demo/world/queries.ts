import type { Qrel } from '../../../src/data/records.js';
import type { Random } from '../random.js';
import { TEMPLATES } from './entities.js';
import { groupBy } from './group-by.js';
import type { Entity, Passage, Query, Split, Treatment } from './types.js';
import { question } from './wording.js';

const FIRST_QUERY_ID: Readonly<Record<Split, number>> = { train: 1001, test: 9001 };

/** Grades as in TREC Deep Learning: 3 the answer, 2 the answer in passing, 1 on the question but without an answer. */
const GRADES: Readonly<Record<Treatment, number>> = { stated: 3, aside: 2, teased: 1 };

/** Questions of a split, spread over its entities; an entity is asked about twice only when all were once. */
export function makeQueries(random: Random, entities: readonly Entity[], split: Split, count: number): Query[] {
  const open = entities
    .filter((entity) => entity.split === split)
    .map((entity) => ({ entity, relations: random.shuffle(TEMPLATES[entity.kind].relations) }));
  const queries: Query[] = [];
  while (queries.length < count) {
    const round = random.shuffle(open.filter(({ relations }) => relations.length > 0)).slice(0, count - queries.length);
    if (round.length === 0) throw new RangeError(`the ${split} split has facts for ${queries.length} queries only`);
    for (const { entity, relations } of round) {
      const relation = relations.pop()!;
      queries.push({
        queryId: String(FIRST_QUERY_ID[split] + queries.length),
        text: question(random.pick(relation.ask), entity, random),
        split,
        entityId: entity.id,
        relation: relation.key,
      });
    }
  }
  return queries;
}

/** How well a passage answers a query, 0 to 3. */
export function gradeOf(query: Query, passage: Passage): number {
  const grades = passage.mentions
    .filter((mention) => mention.entityId === query.entityId && mention.relation === query.relation)
    .map((mention) => GRADES[mention.treatment]);
  return Math.max(0, ...grades);
}

/** Judgements of every passage that mentions the asked entity or one of its namesakes; the rest is left unjudged. */
export function makeQrels(
  queries: readonly Query[],
  passages: readonly Passage[],
  byId: ReadonlyMap<string, Entity>,
): Qrel[] {
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
