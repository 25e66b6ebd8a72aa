import type { Random } from '../random.js';
import { capitalise } from './names.js';
import type { Entity, Relation } from './types.js';

/** An entity by name; with its noun where the name alone does not tell who is meant, and now and then elsewhere. */
export function nameOf(entity: Entity, random: Random): string {
  const addNoun = entity.ambiguous || random.chance(0.25);
  if (entity.kind === 'event' || !addNoun) return entity.name;
  if (entity.kind === 'person' && random.chance(0.4)) return `${entity.name} the ${entity.noun}`;
  return entity.kind === 'place' ? `the ${entity.noun} of ${entity.name}` : `the ${entity.noun} ${entity.name}`;
}

/** The value of a fact in words. */
export function valueOf(entity: Entity, relation: Relation, byId: ReadonlyMap<string, Entity>, random: Random): string {
  const value = entity.facts.get(relation.key)!;
  return typeof relation.values === 'string' ? nameOf(byId.get(value)!, random) : value;
}

interface Words {
  s: string;
  p: string;
  o: string;
}

const PRONOUNS: Readonly<Record<Entity['pronoun'], Words>> = {
  she: { s: 'she', p: 'her', o: 'her' },
  he: { s: 'he', p: 'his', o: 'him' },
  it: { s: 'it', p: 'its', o: 'it' },
};

function named(name: string): Words {
  return { s: name, p: `${name}'s`, o: name };
}

/** The subject of a passage: by name at first, later mostly by pronoun, short name or noun. */
function subjectWords(entity: Entity, first: boolean, random: Random): Words {
  if (first) return named(nameOf(entity, random));
  const draw = random.next();
  if (draw < 0.6) return PRONOUNS[entity.pronoun];
  if (draw < 0.8 && entity.kind !== 'event') return named(`the ${entity.noun}`);
  return entity.kind === 'person' ? named(entity.shortName) : PRONOUNS[entity.pronoun];
}

function fill(template: string, words: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w)\}/g, (_, key: string) => words[key]!);
}

function asSentence(text: string): string {
  return `${capitalise(text)}.`;
}

/** Whether a sentence made of the template says whom it is about, as the first of a passage has to. */
export function namesSubject(template: string): boolean {
  return /\{[spo]\}/.test(template);
}

/** A sentence about the subject of a passage: a statement, an open question or small talk. */
export function subjectSentence(
  template: string,
  entity: Entity,
  first: boolean,
  value: string,
  random: Random,
): string {
  let words = subjectWords(entity, first, random);
  const text = template.replace(/\{(\w)\}/g, (_, key: string) => {
    if (key === 'v') return value;
    const word = words[key as keyof Words];
    words = PRONOUNS[entity.pronoun]; // a sentence names its subject once
    return word;
  });
  return asSentence(text);
}

export function asideSentence(template: string, entity: Entity, value: string, random: Random): string {
  // the possessive after the name: `it cost Ana Borel her life`
  return asSentence(fill(template, { e: nameOf(entity, random), v: value, p: PRONOUNS[entity.pronoun].p }));
}

/** A question, the way people type them. */
export function question(template: string, entity: Entity, random: Random): string {
  const text = fill(template, { e: nameOf(entity, random) });
  const isSentence = /^(where|what|which|who|whom|how|why|in|on|under|by)\b/.test(text);
  return isSentence && random.chance(0.6) ? `${capitalise(text)}?` : text;
}
