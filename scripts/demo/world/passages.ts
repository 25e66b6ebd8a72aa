import type { Random } from '../random.js';
import { TEMPLATES } from './entities.js';
import { groupBy } from './group-by.js';
import type { Entity, Mention, Passage, Relation } from './types.js';
import { asideSentence, namesSubject, subjectSentence, valueOf } from './wording.js';

/** Passages of an entity beyond those that state one fact each. */
const EXTRA_PASSAGES = 3;
/** Chance that an extra passage states a fact again, in other words. */
const RESTATED = 0.5;
const TEASED = 0.6;
/** Share of statements in the question's own words, the ones that BM25 can find. */
const PLAIN = 0.35;
const ASIDES = 0.7;

/** A passage before its sentences are put in order. */
interface Draft {
  subject: Entity;
  stated: Relation[];
  teased: Relation[];
  asides: { entity: Entity; relation: Relation }[];
}

function draftPassages(entity: Entity, random: Random): Draft[] {
  const { relations } = TEMPLATES[entity.kind];
  const drafts = random
    .shuffle(relations)
    .map((relation): Draft => ({ subject: entity, stated: [relation], teased: [], asides: [] }));
  for (let i = 0; i < EXTRA_PASSAGES; i++) {
    drafts.push({
      subject: entity,
      stated: random.chance(RESTATED) ? [random.pick(relations)] : [],
      teased: [],
      asides: [],
    });
  }
  for (const relation of relations) {
    const silent = drafts.filter((draft) => !draft.stated.includes(relation));
    if (random.chance(TEASED)) random.pick(silent).teased.push(relation);
  }
  return drafts;
}

/** Tells facts once more in passages about something else of the same split, rather where the value is the subject. */
function spreadAsides(drafts: readonly Draft[], entities: readonly Entity[], random: Random): void {
  const bySubject = groupBy(drafts, ({ subject }) => subject.id);
  const bySplit = groupBy(drafts, ({ subject }) => subject.split);
  for (const entity of entities) {
    for (const relation of TEMPLATES[entity.kind].relations) {
      if (!random.chance(ASIDES)) continue;
      const value = entity.facts.get(relation.key)!;
      const host = random.pick(bySubject.get(value) ?? bySplit.get(entity.split)!);
      if (host.subject.name !== entity.name && host.asides.length < 2) host.asides.push({ entity, relation });
    }
  }
}

function write(draft: Draft, byId: ReadonlyMap<string, Entity>, random: Random): Pick<Passage, 'text' | 'mentions'> {
  const { subject } = draft;
  const mentions: Mention[] = [];
  const templates: { text: string; value: string }[] = [];
  for (const relation of draft.stated) {
    templates.push({
      text: random.chance(PLAIN) ? relation.say[0]! : random.pick(relation.say),
      value: valueOf(subject, relation, byId, random),
    });
    mentions.push({ entityId: subject.id, relation: relation.key, treatment: 'stated' });
  }
  for (const relation of draft.teased) {
    templates.push({ text: random.pick(relation.tease), value: '' });
    mentions.push({ entityId: subject.id, relation: relation.key, treatment: 'teased' });
  }
  const opening = TEMPLATES[subject.kind].filler.filter(namesSubject);
  for (const text of random.sample(TEMPLATES[subject.kind].filler, random.between(0, 1)))
    templates.push({ text, value: '' });
  const ordered = random.shuffle(templates);
  const first = ordered.findIndex(({ text }) => namesSubject(text));
  if (first < 0) ordered.unshift({ text: random.pick(opening), value: '' });
  else ordered.unshift(...ordered.splice(first, 1));
  const sentences = ordered.map(({ text, value }, i) => subjectSentence(text, subject, i === 0, value, random));
  for (const { entity, relation } of draft.asides) {
    sentences.push(asideSentence(random.pick(relation.aside), entity, valueOf(entity, relation, byId, random), random));
    mentions.push({ entityId: entity.id, relation: relation.key, treatment: 'aside' });
  }
  return { text: sentences.join(' '), mentions };
}

/** All passages of the world, in an order that gives nothing away, docids `d00001` and on; no text occurs twice. */
export function makePassages(random: Random, entities: readonly Entity[]): Passage[] {
  const byId = new Map(entities.map((entity) => [entity.id, entity]));
  const drafts = entities.flatMap((entity) => draftPassages(entity, random));
  spreadAsides(drafts, entities, random);
  const texts = new Set<string>();
  return random.shuffle(drafts).map((draft, i) => {
    let written = write(draft, byId, random);
    while (texts.has(written.text)) written = write(draft, byId, random);
    texts.add(written.text);
    return { docId: `d${String(i + 1).padStart(5, '0')}`, subjectId: draft.subject.id, ...written };
  });
}
