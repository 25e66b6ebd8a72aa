import type { Random } from '../random.js';
import { EVENT_NOUNS, events } from './events.js';
import { NameMaker } from './names.js';
import { people, TRADES } from './people.js';
import { PLACE_NOUNS, places } from './places.js';
import type { Entity, Kind, KindTemplates, Split } from './types.js';
import { TITLE_FIRST, TITLE_SECOND, WORK_NOUNS, works } from './works.js';

export const TEMPLATES: Readonly<Record<Kind, KindTemplates>> = {
  person: people,
  place: places,
  work: works,
  event: events,
};

/** Entities of each kind in a split. */
export type Counts = Readonly<Record<Kind, number>>;

/** About how many people share a first name, and how many a family name. */
const NAME_SHARERS = 2;
/** Share of people and works whose full name is also that of another one with a different noun. */
const NAMESAKES = 0.15;
/** Share of places named after another one: `Old Drabel`. */
const NAMED_AFTER = 0.15;
const PLACE_PREFIXES = ['Old', 'New', 'Upper', 'Lower'];

type Draft = Pick<Entity, 'name' | 'noun' | 'shortName'>;

/** A name with other bearers of it: the near misses that a re-ranker has to tell apart. */
function withNamesakes(random: Random, count: number, nouns: readonly string[], make: () => Draft): Draft[] {
  const drafts: Draft[] = [];
  while (drafts.length < count) {
    const draft = make();
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
  return withNamesakes(random, count, TRADES, () => {
    const [a, b] = pairs.pop()!;
    return { name: `${a} ${b}`, noun: random.pick(TRADES), shortName: b };
  });
}

function draftPlaces(random: Random, names: NameMaker, count: number): Draft[] {
  const taken: string[] = [];
  while (taken.length < count) {
    const plain = taken.filter((name) => !name.includes(' '));
    const derived = `${random.pick(PLACE_PREFIXES)} ${plain.length > 0 ? random.pick(plain) : ''}`;
    const reuse = plain.length > 0 && random.chance(NAMED_AFTER) && !taken.includes(derived);
    taken.push(
      reuse
        ? derived
        : plain.length > 0 && random.chance(0.2)
          ? names.makeLike(random.pick(plain))
          : names.make(random.between(2, 3)),
    );
  }
  return taken.map((name) => ({ name, noun: random.pick(PLACE_NOUNS), shortName: name }));
}

/** Titles are handed out to both splits from one list, so that no title is in both. */
function draftWorks(random: Random, titles: string[], count: number): Draft[] {
  return withNamesakes(random, count, WORK_NOUNS, () => {
    const title = titles.pop();
    if (title === undefined) throw new RangeError('more works asked for than there are titles');
    return { name: title, noun: random.pick(WORK_NOUNS), shortName: title };
  });
}

function draftEvents(random: Random, sites: readonly Draft[], count: number): Draft[] {
  const pairs = random.shuffle(sites.flatMap((site) => EVENT_NOUNS.map((noun) => [site, noun] as const)));
  return pairs.slice(0, count).map(([site, noun]) => {
    const name = `the ${noun} of ${site.name}`;
    return { name, noun, shortName: name };
  });
}

function finish(kind: Kind, split: Split, drafts: readonly Draft[], random: Random): Entity[] {
  const bearers = new Map<string, number>();
  for (const { name } of drafts) bearers.set(name, (bearers.get(name) ?? 0) + 1);
  return drafts.map((draft, i) => ({
    ...draft,
    id: `${split}-${kind}-${i}`,
    kind,
    split,
    ambiguous: bearers.get(draft.name)! > 1,
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
  const titles = random
    .fork('titles')
    .shuffle(TITLE_FIRST.flatMap((first) => TITLE_SECOND.map((second) => `The ${first} ${second}`)));
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
