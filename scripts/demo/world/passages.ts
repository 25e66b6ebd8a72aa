import { groupBy } from '../../lib/data.js';
import type { Random } from '../random.js';
import { capitalise, TEMPLATES, type Entity, type Relation } from './entities.js';

/** How a passage treats a fact. */
export type Treatment = 'stated' | 'aside' | 'teased';

interface Mention {
  entityId: string;
  relation: string;
  treatment: Treatment;
}

export interface Passage {
  docId: string;
  text: string;
  /** Entity that the passage is about. */
  subjectId: string;
  mentions: Mention[];
}

/** Passages of an entity beyond those that state one fact each. */
const EXTRA_PASSAGES = 3;
/** Chance that an extra passage states a fact again, in other words. */
const RESTATED = 0.5;
const TEASED = 0.6;
/** Share of statements in the question's own words, the ones that BM25 can find. */
const PLAIN = 0.35;
const ASIDES = 0.7;

/** An entity by name; with its noun where the name alone does not tell who is meant, and now and then elsewhere. */
function nameOf(entity: Entity, random: Random): string {
  const addNoun = entity.ambiguous || random.chance(0.25);
  if (entity.kind === 'event' || !addNoun) return entity.name;
  if (entity.kind === 'person' && random.chance(0.4)) return `${entity.name} the ${entity.noun}`;
  return entity.kind === 'place' ? `the ${entity.noun} of ${entity.name}` : `the ${entity.noun} ${entity.name}`;
}

/** The value of a fact in words. */
function valueOf(entity: Entity, { key, values }: Relation, byId: ReadonlyMap<string, Entity>, random: Random): string {
  const value = entity.facts.get(key)!;
  return typeof values === 'string' ? nameOf(byId.get(value)!, random) : value;
}

/** What stands for `{s}`, `{p}` and `{o}`. */
type Words = Readonly<Record<string, string>>;

const PRONOUNS: Readonly<Record<Entity['pronoun'], Words>> = {
  she: { s: 'she', p: 'her', o: 'her' },
  he: { s: 'he', p: 'his', o: 'him' },
  it: { s: 'it', p: 'its', o: 'it' },
};
const named = (name: string): Words => ({ s: name, p: `${name}'s`, o: name });

/** The subject of a passage: by name at first, later mostly by pronoun, short name or noun. */
function subjectWords(entity: Entity, first: boolean, random: Random): Words {
  if (first) return named(nameOf(entity, random));
  const draw = random.next();
  if (draw < 0.6) return PRONOUNS[entity.pronoun];
  if (draw < 0.8 && entity.kind !== 'event') return named(`the ${entity.noun}`);
  return entity.kind === 'person' ? named(entity.shortName) : PRONOUNS[entity.pronoun];
}

const fill = (template: string, words: (key: string) => string): string =>
  template.replace(/\{(\w)\}/g, (_, key: string) => words(key));
const asSentence = (text: string): string => `${capitalise(text)}.`;
/** Whether a sentence made of the template says whom it is about, as the first of a passage has to. */
const namesSubject = (template: string): boolean => /\{[spo]\}/.test(template);

/** A sentence about the subject of a passage: a statement, an open question or small talk. */
function subjectSentence(template: string, entity: Entity, first: boolean, value: string, random: Random): string {
  let words = subjectWords(entity, first, random);
  const text = fill(template, (key) => {
    if (key === 'v') return value;
    const word = words[key]!;
    words = PRONOUNS[entity.pronoun]; // a sentence names its subject once
    return word;
  });
  return asSentence(text);
}

/** A question, the way people type them. */
export function question(template: string, entity: Entity, random: Random): string {
  const name = nameOf(entity, random);
  const text = fill(template, () => name);
  const isSentence = /^(where|what|which|who|whom|how|why|in|on|under|by)\b/.test(text);
  return isSentence && random.chance(0.6) ? `${capitalise(text)}?` : text;
}

/** A passage before its sentences are put in order. */
interface Draft {
  subject: Entity;
  stated: Relation[];
  teased: Relation[];
  asides: { entity: Entity; relation: Relation }[];
}

function draftPassages(subject: Entity, random: Random): Draft[] {
  const { relations } = TEMPLATES[subject.kind];
  const draft = (stated: Relation[]): Draft => ({ subject, stated, teased: [], asides: [] });
  const drafts = random.shuffle(relations).map((relation) => draft([relation]));
  for (let i = 0; i < EXTRA_PASSAGES; i++) drafts.push(draft(random.chance(RESTATED) ? [random.pick(relations)] : []));
  for (const relation of relations) {
    const silent = drafts.filter(({ stated }) => !stated.includes(relation));
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
  const { subject, stated, teased, asides } = draft;
  const templates = stated.map((relation) => ({
    text: random.chance(PLAIN) ? relation.say[0]! : random.pick(relation.say),
    value: valueOf(subject, relation, byId, random),
  }));
  for (const { tease } of teased) templates.push({ text: random.pick(tease), value: '' });
  const { filler } = TEMPLATES[subject.kind];
  for (const text of random.sample(filler, random.between(0, 1))) templates.push({ text, value: '' });
  const ordered = random.shuffle(templates);
  const first = ordered.findIndex(({ text }) => namesSubject(text));
  if (first < 0) ordered.unshift({ text: random.pick(filler.filter(namesSubject)), value: '' });
  else ordered.unshift(...ordered.splice(first, 1));
  const sentences = ordered.map(({ text, value }, i) => subjectSentence(text, subject, i === 0, value, random));
  for (const { entity, relation } of asides) {
    const template = random.pick(relation.aside);
    const v = valueOf(entity, relation, byId, random);
    // `{p}` follows the name: `it cost Ana Borel her life`
    const words: Words = { e: nameOf(entity, random), v, p: PRONOUNS[entity.pronoun]['p']! };
    sentences.push(asSentence(fill(template, (key) => words[key]!)));
  }
  const mention = (entity: Entity, { key }: Relation, treatment: Treatment): Mention => ({
    entityId: entity.id,
    relation: key,
    treatment,
  });
  const mentions = [
    ...stated.map((relation) => mention(subject, relation, 'stated')),
    ...teased.map((relation) => mention(subject, relation, 'teased')),
    ...asides.map(({ entity, relation }) => mention(entity, relation, 'aside')),
  ];
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
