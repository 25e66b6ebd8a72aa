export type Kind = 'person' | 'place' | 'work' | 'event';

export type Split = 'train' | 'test';

/**
 * One thing that can be said and asked about a kind of entity. In templates `{s}` is the subject (a name, a pronoun
 * or `the potter`), `{p}` its possessive, `{o}` its object form, `{e}` the entity by name, `{v}` the value.
 */
export interface Relation {
  key: string;
  /** What the value is: an entity of that kind, or one of a list of phrases. */
  values: Kind | readonly string[];
  /** Questions. */
  ask: readonly string[];
  /** Statements about the subject of a passage: the first in the words of the questions, the others in other words. */
  say: readonly string[];
  /** The same said in passing in a passage about something else. */
  aside: readonly string[];
  /** Sentences that raise the question and leave it open. */
  tease: readonly string[];
}

export interface KindTemplates {
  relations: readonly Relation[];
  /** Sentences about the subject that answer no question. */
  filler: readonly string[];
}

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

/** How a passage treats a fact. */
export type Treatment = 'stated' | 'aside' | 'teased';

export interface Mention {
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

export interface Query {
  queryId: string;
  text: string;
  split: Split;
  entityId: string;
  relation: string;
}
