import type { RunTopic } from './run-file.js';
import type { RunEntry } from './records.js';
import { compareUtf8 } from './utf8-order.js';

/** A document of a topic that may be used, and what is known of it. */
export interface Candidate {
  docId: string;
  /** undefined for a judged document that the ranking lacks, see `withAdded`. */
  rank: number | undefined;
  /** 0 where there is no rank. */
  score: number;
  /** Grade; undefined where it was not judged. */
  relevance: number | undefined;
  /** The run's own text. */
  text: string | undefined;
  /** Where it stands in the run; undefined where there is no rank. */
  line: number | undefined;
}

/** Grades of a topic's documents, by document id. */
export type TopicGrades = ReadonlyMap<string, number>;

/**
 * The documents of a topic that are used, as lightning-ir's RunDataset keeps them: rank in the file at most `depth` (-1:
 * all), in the order of the ranks, ties in file order. Grades come from `grades`, or from the run where that is undefined.
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
 * Candidates and, behind them, judged documents that they lack, in the order of their ids. Documents of equal rank are
 * then in the order of their ids too (lightning-ir joins the two tables, which sorts them).
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

/** The first `sampleSize` candidates (-1: all); none when there are fewer than that. */
export function selectTop(candidates: Candidate[], sampleSize: number): Candidate[] {
  if (sampleSize === -1) return candidates;
  return candidates.length < sampleSize ? [] : candidates.slice(0, sampleSize);
}
