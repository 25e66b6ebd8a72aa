import { isUtf8 } from 'node:buffer';
import { RankDistillmError } from '../../errors.js';
import { shownJson } from '../../io/text.js';
import type { RunEntry } from '../records.js';
import { parseDecimal, parseInteger } from './columns.js';

/** One record as in the run file: rank or score may be missing, see `completeTopic`. */
export interface RunRecord {
  queryId: string;
  docId: string;
  rank?: number;
  score?: number;
  query?: string;
  text?: string;
  /** null if the run has the column but this document was not judged. */
  relevance?: number | null;
  iteration?: string;
  /** The file has neither ranks nor scores: the ranking is the file order. */
  inFileOrder?: true;
  /** Line of a text file, record of a JSON array, row of a Parquet file; 1-based. */
  line: number;
}

/** Column names of json, jsonl and Parquet runs, as in lightning-ir's RunDataset._clean_run. */
const COLUMNS = {
  queryId: ['query_id', 'qid'],
  docId: ['doc_id', 'docid', 'docno'],
  iteration: ['iteration', 'Q0', 'q0'],
} as const;

/** Reads one record with named columns and ignores other columns. `place` names the record in errors. */
export function runRecord(columns: Record<string, unknown>, place: string, line: number): RunRecord {
  const record: RunRecord = {
    queryId: identifier(columns, COLUMNS.queryId, 'query id', place),
    docId: identifier(columns, COLUMNS.docId, 'document id', place),
    line,
  };
  const rank = number(columns, 'rank', place);
  if (rank !== undefined && !Number.isSafeInteger(rank))
    throw badValue(place, 'rank', 'a whole number', columns['rank']);
  if (rank !== undefined) record.rank = rank;
  const score = number(columns, 'score', place);
  if (score !== undefined) record.score = score;
  const query = text(columns, 'query', place);
  if (query !== undefined) record.query = query;
  const body = text(columns, 'text', place);
  if (body !== undefined) record.text = body;
  if ('relevance' in columns) {
    const grade = number(columns, 'relevance', place) ?? null;
    if (grade !== null && !Number.isSafeInteger(grade)) {
      throw badValue(place, 'relevance', 'a whole number', columns['relevance']);
    }
    record.relevance = grade;
  }
  const iteration = one(columns, COLUMNS.iteration, place);
  if (iteration !== undefined && iteration !== null) {
    if (typeof iteration === 'object') throw badValue(place, 'iteration', 'a text or a number', iteration);
    record.iteration = String(iteration);
  }
  return record;
}

function one(columns: Record<string, unknown>, names: readonly string[], place: string): unknown {
  const present = names.filter((name) => name in columns);
  if (present.length > 1) {
    throw new RankDistillmError('bad_input', `${place}: the columns ${present.join(' and ')} mean the same`, {
      hint: `Keep one of them.`,
    });
  }
  return present[0] === undefined ? undefined : columns[present[0]];
}

function identifier(columns: Record<string, unknown>, names: readonly string[], what: string, place: string): string {
  const value = one(columns, names, place);
  if (typeof value === 'string' && value !== '') return value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && Number.isInteger(value)) {
    if (Number.isSafeInteger(value)) return String(value);
    throw new RankDistillmError('bad_input', `${place}: the ${what} ${value} is too large to be read exactly`, {
      hint: 'Write ids as strings.',
    });
  }
  if (value === undefined) {
    throw new RankDistillmError('bad_input', `${place}: no ${what}; a run needs the column ${names.join(' or ')}`, {
      hint: `Columns found: ${Object.keys(columns).join(', ') || 'none'}. Rename the one that holds it.`,
    });
  }
  throw badValue(place, what, 'a non-empty text or a whole number', value);
}

function number(columns: Record<string, unknown>, name: string, place: string): number | undefined {
  const value = columns[name];
  if (value === undefined || value === null) return undefined;
  const parsed =
    typeof value === 'bigint'
      ? parseInteger(value.toString())
      : typeof value === 'string'
        ? parseDecimal(value)
        : typeof value === 'number' && Number.isFinite(value)
          ? value
          : undefined;
  if (parsed === undefined) throw badValue(place, name, 'a finite number', value);
  return parsed;
}

function text(columns: Record<string, unknown>, name: string, place: string): string | undefined {
  const value = columns[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw badValue(place, name, 'a text', value);
  return value;
}

function badValue(place: string, name: string, expected: string, value: unknown): RankDistillmError {
  if (value instanceof Uint8Array) {
    const kind = isUtf8(value) ? 'bytes of a binary column' : 'bytes that are not UTF-8';
    const shown = Buffer.from(value.subarray(0, 16)).toString('hex');
    return new RankDistillmError('bad_input', `${place}: ${name} must be ${expected}, found ${kind} (hex ${shown})`, {
      hint: 'Write the column as text in UTF-8.',
    });
  }
  const shown = typeof value === 'string' ? `'${value}'` : typeof value === 'object' ? shownJson(value) : String(value);
  return new RankDistillmError('bad_input', `${place}: ${name} must be ${expected}, found ${shown}`, {
    hint: 'Correct or delete this record.',
  });
}

/** The place of a record, for messages: `a.run:17`, `a.json: record 17`, `a.parquet: row 17`. */
export type PlaceOf = (line: number) => string;

/**
 * Converts the records of one topic to run entries, in the same order. Missing ranks are computed from the scores,
 * highest first, ties in file order (pandas' rank('first'), as lightning-ir ranks scoreddocs); missing scores are the
 * negated ranks. A duplicate document is an error.
 */
export function completeTopic(records: RunRecord[], placeOf: PlaceOf): RunEntry[] {
  refuseDuplicates(records, placeOf);
  const ranks = ranksOf(records, placeOf);
  return records.map((record, index) => {
    const rank = ranks[index]!;
    const { queryId, docId, score, query, text, relevance, iteration } = record;
    // a spread takes five times as long, and a run has millions of records
    const entry: RunEntry = { queryId, docId, rank, score: score ?? -rank };
    if (query !== undefined) entry.query = query;
    if (text !== undefined) entry.text = text;
    if (relevance !== undefined && relevance !== null) entry.relevance = relevance;
    if (iteration !== undefined) entry.iteration = iteration;
    return entry;
  });
}

function ranksOf(records: RunRecord[], placeOf: PlaceOf): number[] {
  if (records[0]?.inFileOrder) return records.map((_, index) => index + 1);
  const without = records.find((record) => record.rank === undefined);
  if (without === undefined) return records.map((record) => record.rank!);
  if (records.some((record) => record.rank !== undefined)) {
    throw new RankDistillmError(
      'bad_input',
      `${placeOf(without.line)}: no rank, but other documents of the topic have one`,
      {
        hint: 'Give every record a rank, or none to rank by score.',
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
