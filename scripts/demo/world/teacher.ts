import type { Random } from '../random.js';
import { gradeOf } from './queries.js';
import type { Entity, Passage, Query } from './types.js';

/** Standard deviation of the teacher's mistakes, in grades. Chosen for an nDCG@10 between .8 and .9. */
const NOISE = 0.9;

/**
 * What a good but not perfect re-ranker would think of a passage: its grade and, below that, whether it is at least
 * about the right entity, a namesake or the right sort of fact; plus noise. Gives passages of grade 0 an order too,
 * as a large language model's ranking does.
 */
export function teacherScore(
  query: Query,
  passage: Passage,
  byId: ReadonlyMap<string, Entity>,
  random: Random,
): number {
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
