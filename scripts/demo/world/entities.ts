import { readFileSync } from 'node:fs';
import type { Random } from '../random.js';

export type Kind = 'person' | 'place' | 'work' | 'event';
export type Split = 'train' | 'test';

/**
 * A question and its answers. In templates `{s}` is the subject (a name, a pronoun or `the potter`), `{p}` its possessive,
 * `{o}` its object form, `{e}` the entity by name, `{v}` the value.
 */
export interface Relation {
  key: string;
  /** The value is an entity of that kind, or one of these phrases. */
  values: Kind | readonly string[];
  /** Questions. */
  ask: readonly string[];
  /** Statements about the subject of a passage: the first in the words of the questions, the others in other words. */
  say: readonly string[];
  /** Statements for a passage about something else. */
  aside: readonly string[];
  /** Sentences that raise the question and leave it open. */
  tease: readonly string[];
}

interface Templates {
  nouns: readonly string[];
  relations: readonly Relation[];
  /** Sentences about the subject that answer no question. */
  filler: readonly string[];
}

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')) as T;
const work = read<Templates & { titles: readonly [first: string[], second: string[]] }>('work');

/** The word lists and sentences of each kind. */
export const TEMPLATES: Readonly<Record<Kind, Templates>> = {
  person: read('person'),
  place: read('place'),
  work,
  event: read('event'),
};

export interface Entity {
  id: string;
  kind: Kind;
  split: Split;
  name: string;
  /** `potter`, `port`, `ballad`, `siege`. */
  noun: string;
  /** Shares its full name with another entity, so that only the noun tells them apart. */
  ambiguous: boolean;
  pronoun: 'she' | 'he' | 'it';
  /** Family name of a person; otherwise the name. */
  shortName: string;
  /** Value by relation key; an entity's id where the relation's values are entities. */
  facts: Map<string, string>;
}

/** Entities of each kind in a split. */
export type Counts = Readonly<Record<Kind, number>>;

const SYLLABLES = 60;
const ONSETS = 'b br d dr f g h j k l m n p qu r s sk t th v z'.split(' ');
const VOWELS = 'a e i o u ae ei ou'.split(' ');
const CODAS = ['', '', '', 'l', 'm', 'n', 'r', 's', 'sh', 'x'];
/** About how many people share a first name, and how many a family name. */
const NAME_SHARERS = 2;
/** Share of people and works whose full name is also that of another one with a different noun. */
const NAMESAKES = 0.15;
/** Share of places named after another one: `Old Drabel`. */
const NAMED_AFTER = 0.15;
const PLACE_PREFIXES = ['Old', 'New', 'Upper', 'Lower'];

export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Names made of a few dozen invented syllables; no name is given twice. */
class NameMaker {
  readonly #random: Random;
  readonly #syllables: readonly string[];
  readonly #used = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
    const made = new Set<string>();
    while (made.size < SYLLABLES) made.add(random.pick(ONSETS) + random.pick(VOWELS) + random.pick(CODAS));
    this.#syllables = [...made];
  }

  /** A new name, capitalised. */
  make(syllables: number): string {
    for (;;) {
      const name = capitalise(Array.from({ length: syllables }, () => this.#random.pick(this.#syllables)).join(''));
      if (this.#claim(name)) return name;
    }
  }

  /** A new name that differs from `name` by its last letters: a near miss. */
  makeLike(name: string): string {
    for (let tries = 0; tries < 50; tries++) {
      const near = name.slice(0, -this.#random.between(1, 2)) + this.#random.pick(this.#syllables).slice(-2);
      if (this.#claim(near)) return near;
    }
    return this.make(3);
  }

  #claim(name: string): boolean {
    return !this.#used.has(name) && this.#used.add(name) !== undefined;
  }
}

type Draft = Pick<Entity, 'name' | 'noun' | 'shortName'>;

/** Some drafts get a namesake with another noun: near misses that a re-ranker has to tell apart. */
function withNamesakes(random: Random, count: number, kind: Kind, make: () => Omit<Draft, 'noun'>): Draft[] {
  const { nouns } = TEMPLATES[kind];
  const drafts: Draft[] = [];
  while (drafts.length < count) {
    const draft = { ...make(), noun: random.pick(nouns) };
    drafts.push(draft);
    if (random.chance(NAMESAKES))
      drafts.push({ ...draft, noun: random.pick(nouns.filter((noun) => noun !== draft.noun)) });
  }
  return drafts.slice(0, count);
}

function draftPeople(random: Random, names: NameMaker, count: number): Draft[] {
  const pool = Math.max(2, Math.ceil(count / NAME_SHARERS));
  const first = Array.from({ length: pool }, () => names.make(2));
  const family: string[] = [];
  while (family.length < pool)
    family.push(family.length % 3 === 2 ? names.makeLike(random.pick(family)) : names.make(2));
  const pairs = random.shuffle(first.flatMap((a) => family.map((b) => [a, b] as const)));
  return withNamesakes(random, count, 'person', () => {
    const [a, b] = pairs.pop()!;
    return { name: `${a} ${b}`, shortName: b };
  });
}

function draftPlaces(random: Random, names: NameMaker, count: number): Draft[] {
  const taken: string[] = [];
  while (taken.length < count) {
    const plain = taken.filter((name) => !name.includes(' '));
    const derived = `${random.pick(PLACE_PREFIXES)} ${plain.length > 0 ? random.pick(plain) : ''}`;
    if (plain.length > 0 && random.chance(NAMED_AFTER) && !taken.includes(derived)) taken.push(derived);
    else if (plain.length > 0 && random.chance(0.2)) taken.push(names.makeLike(random.pick(plain)));
    else taken.push(names.make(random.between(2, 3)));
  }
  return taken.map((name) => ({ name, noun: random.pick(TEMPLATES.place.nouns), shortName: name }));
}

/** Titles are handed out to both splits from one list, so that no title is in both. */
function draftWorks(random: Random, titles: string[], count: number): Draft[] {
  return withNamesakes(random, count, 'work', () => {
    const title = titles.pop();
    if (title === undefined) throw new RangeError('more works asked for than there are titles');
    return { name: title, shortName: title };
  });
}

function draftEvents(random: Random, sites: readonly Draft[], count: number): Draft[] {
  const names = sites.flatMap((site) =>
    TEMPLATES.event.nouns.map((noun) => ({ name: `the ${noun} of ${site.name}`, noun })),
  );
  return random.sample(names, count).map((draft) => ({ ...draft, shortName: draft.name }));
}

function finish(kind: Kind, split: Split, drafts: readonly Draft[], random: Random): Entity[] {
  const names = drafts.map(({ name }) => name);
  return drafts.map((draft, i) => ({
    ...draft,
    id: `${split}-${kind}-${i}`,
    kind,
    split,
    ambiguous: names.indexOf(draft.name) !== names.lastIndexOf(draft.name),
    pronoun: kind === 'person' ? random.pick(['she', 'he'] as const) : 'it',
    facts: new Map(),
  }));
}

function addFacts(random: Random, entities: readonly Entity[]): void {
  for (const entity of entities) {
    for (const { key, values } of TEMPLATES[entity.kind].relations) {
      const value =
        typeof values === 'string'
          ? random.pick(entities.filter((other) => other.kind === values && other.name !== entity.name)).id
          : random.pick(values);
      entity.facts.set(key, value);
    }
  }
}

/** Everybody and everything of the world. Facts of a split speak of entities of that split only. */
export function makeEntities(random: Random, counts: Readonly<Record<Split, Counts>>): Entity[] {
  const names = new NameMaker(random.fork('names'));
  const [first, second] = work.titles;
  const titles = random.fork('titles').shuffle(first.flatMap((a) => second.map((b) => `The ${a} ${b}`)));
  return (['train', 'test'] as const).flatMap((split) => {
    const draw = random.fork(split);
    const count = counts[split];
    const sites = draftPlaces(draw, names, count.place);
    const entities = [
      ...finish('place', split, sites, draw),
      ...finish('person', split, draftPeople(draw, names, count.person), draw),
      ...finish('work', split, draftWorks(draw, titles, count.work), draw),
      ...finish('event', split, draftEvents(draw, sites, count.event), draw),
    ];
    addFacts(draw, entities);
    return entities;
  });
}
