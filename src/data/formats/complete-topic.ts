import { RankDistillmError } from '../../errors.js';
import type { RunEntry } from '../records.js';
import type { RunRecord } from './run-record.js';

/** Words the place of a record in its file: `a.run:17`, `a.json: record 17`, `a.parquet: row 17`. */
export type PlaceOf = (line: number) => string;

/**
 * Makes run entries of all records of one topic, in their order. Where a file has no ranks they follow from the scores,
 * highest first, ties in file order (pandas' rank('first'), as lightning-ir ranks scoreddocs); where it has no scores
 * they are the negated ranks. A document twice in one topic is an error.
 */
export function completeTopic(records: RunRecord[], placeOf: PlaceOf): RunEntry[] {
  refuseDuplicates(records, placeOf);
  const ranks = ranksOf(records, placeOf);
  return records.map((record, index) => {
    const rank = ranks[index]!;
    const { queryId, docId, score, query, text, relevance, iteration } = record;
    // field by field: a spread takes five times as long, and a run has millions of records
    const entry: RunEntry = { queryId, docId, rank, score: score ?? -rank };
    if (query !== undefined) entry.query = query;
    if (text !== undefined) entry.text = text;
    if (relevance !== undefined && relevance !== null) entry.relevance = relevance;
    if (iteration !== undefined) entry.iteration = iteration;
    return entry;
  });
}

function ranksOf(records: RunRecord[], placeOf: PlaceOf): number[] {
  const without = records.find((record) => record.rank === undefined);
  if (without === undefined) return records.map((record) => record.rank!);
  if (records.some((record) => record.rank !== undefined)) {
    throw new RankDistillmError(
      'bad_input',
      `${placeOf(without.line)}: no rank, but other documents of the topic have one`,
      {
        hint: 'Give every record a rank, or none; then ranks follow from the scores.',
      },
    );
  }
  const order = records.map((record, index) => {
    if (record.score === undefined) {
      throw new RankDistillmError('bad_input', `${placeOf(record.line)}: neither rank nor score`, {
        hint: 'A run needs the column rank, score or both.',
      });
    }
    return { score: record.score, index };
  });
  order.sort((a, b) => b.score - a.score || a.index - b.index);
  const ranks = new Array<number>(records.length);
  order.forEach(({ index }, position) => (ranks[index] = position + 1));
  return ranks;
}

function refuseDuplicates(records: RunRecord[], placeOf: PlaceOf): void {
  const lines = new Map<string, number>();
  for (const { docId, queryId, line } of records) {
    const first = lines.get(docId);
    if (first !== undefined) {
      throw new RankDistillmError(
        'bad_input',
        `${placeOf(line)}: document '${docId}' occurs twice for topic '${queryId}', first at ${placeOf(first)}`,
        { hint: 'Keep one line per topic and document.' },
      );
    }
    lines.set(docId, line);
  }
}
