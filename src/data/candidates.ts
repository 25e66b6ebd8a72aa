import { RankDistillmError } from '../errors.js';
import { compareUtf8 } from '../io/text.js';
import type { PlaceOf } from './formats/run-record.js';
import type { RunEntry } from './records.js';
import type { RunTopic } from './run-file.js';

/** A document of a topic that can be sampled. */
export interface Candidate {
  docId: string;
  /** undefined for a judged document that is not in the ranking, see `withAdded`. */
  rank: number | undefined;
  /** 0 without a rank. */
  score: number;
  /** Grade; undefined if the document was not judged. */
  relevance: number | undefined;
  /** The text in the run file. */
  text: string | undefined;
  /** Line in the run; undefined without a rank. */
  line: number | undefined;
}

/** Grades of a topic's documents, by document id. */
export type TopicGrades = ReadonlyMap<string, number>;

/**
 * The documents of a topic that lightning-ir's RunDataset keeps: those with a rank of at most `depth` (-1: all), sorted
 * by rank, ties in file order. Grades come from `grades`, or from the run if that is undefined.
 */
export function candidatesOf(topic: RunTopic, depth: number, grades?: TopicGrades): Candidate[] {
  const candidates: Candidate[] = [];
  for (const [index, entry] of topic.entries.entries()) {
    if (depth !== -1 && entry.rank > depth) continue;
    candidates.push(ranked(entry, topic.lines[index]!, grades));
  }
  return candidates.sort((a, b) => a.rank! - b.rank!);
}

function ranked(entry: RunEntry, line: number, grades: TopicGrades | undefined): Candidate {
  const { docId, rank, score, text } = entry;
  return { docId, rank, score, text, line, relevance: grades === undefined ? entry.relevance : grades.get(docId) };
}

/**
 * The candidates followed by `added` judged documents, sorted by id. Documents of equal rank are then also sorted by id
 * (lightning-ir joins the two tables, which sorts them).
 */
export function withAdded(candidates: Candidate[], added: readonly string[], grades: TopicGrades): Candidate[] {
  const sorted = candidates.slice().sort((a, b) => a.rank! - b.rank! || compareUtf8(a.docId, b.docId));
  const unranked = added.slice().sort(compareUtf8);
  return [
    ...sorted,
    ...unranked.map((docId) => {
      return { docId, rank: undefined, score: 0, relevance: grades.get(docId), text: undefined, line: undefined };
    }),
  ];
}

/** Counts documents without a text, for one error that states the number and the fix. */
export class MissingDocuments {
  #total = 0;
  #missing = 0;
  #lowestRank = Infinity;
  #first: { docId: string; line: number } | undefined;

  count(known: boolean, entry: { docId: string; rank: number }, line: number): void {
    this.#total += 1;
    if (known) return;
    this.#missing += 1;
    this.#lowestRank = Math.min(this.#lowestRank, entry.rank);
    this.#first ??= { docId: entry.docId, line };
  }

  get any(): boolean {
    return this.#missing > 0;
  }

  error(placeOf: PlaceOf, collection: string): RankDistillmError {
    const { docId, line } = this.#first!;
    const depth = this.#lowestRank > 1 ? ` A depth of at most ${this.#lowestRank - 1} avoids them.` : '';
    return new RankDistillmError(
      'not_found',
      `${placeOf(line)}: document '${docId}' is not in the collection ${collection} ` +
        `(${this.#missing} of the ${this.#total} documents to be used are missing)`,
      { hint: `Register the collection that the run was created from.${depth}` },
    );
  }
}
