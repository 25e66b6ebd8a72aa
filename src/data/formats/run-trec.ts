import { at, RankDistillmError } from '../../errors.js';
import type { Line } from '../../io/lines.js';
import { checkedColumns, parseDecimal } from './columns.js';
import type { RunRecord } from './run-record.js';

export interface TrecOptions {
  /** Ignore the rank column and rank by score, as trec_eval does. */
  ignoreRanks?: boolean | undefined;
  /** Also accept lines of two columns (`qid docid`) and three (`qid docid score`). */
  scoreddocs?: boolean | undefined;
}

/** The second column of a run; identifies a line without a tag as a run line. */
const SECOND = /^(q?0)$/i;

/**
 * Reads lines of `qid Q0 docid rank score tag`. The second column and the tag are ignored; as in trec_eval 10 the tag
 * may be several words and a line that begins with `#` is a comment. In ir_datasets' scoreddocs, two columns are ranked
 * in file order and three by score.
 *
 * @returns undefined for a comment
 */
export function trecRunParser(file: string, options: TrecOptions = {}): (line: Line) => RunRecord | undefined {
  let first: number | undefined;
  return (line) => {
    const columns = checkedColumns(line, file);
    if (columns[0]!.startsWith('#') && !isTopic(columns)) return undefined;
    first ??= columns.length;
    if (options.scoreddocs === true && (first === 2 || first === 3)) {
      return shortRecord(columns, first, file, line.number);
    }
    return fullRecord(columns, { ...options, hasTag: first !== 5 }, file, line);
  };
}

/** A topic id may begin with `#`; such a line still has the columns of a run. */
function isTopic(columns: string[]): boolean {
  return (
    columns.length >= 5 && columns[0] !== '#' && SECOND.test(columns[1]!) && parseDecimal(columns[4]!) !== undefined
  );
}

function fullRecord(
  columns: string[],
  { ignoreRanks = false, hasTag }: TrecOptions & { hasTag: boolean },
  file: string,
  line: Line,
): RunRecord {
  const place = at(file, line.number);
  const count = columns.length;
  const [queryId, second, docId, rankText = '', scoreText = '', tag = ''] = columns as [
    string,
    string,
    string,
    ...string[],
  ];
  // a space in an id shifts the columns after it, so the score would be in the tag column
  const isShifted = count > 5 && parseDecimal(tag) !== undefined;
  if (count < 5 || (count === 5 && (hasTag || !SECOND.test(second))) || (count > 6 && isShifted)) {
    throw new RankDistillmError(
      'bad_input',
      `${place}: a run line has 6 columns (qid Q0 docid rank score tag), found ${count}`,
      { hint: columnHint(line.text, count) },
    );
  }
  const rank = parseDecimal(rankText);
  const score = parseDecimal(scoreText);
  const isWord = rank === undefined && /\w/.test(rankText);
  if ((!ignoreRanks && !Number.isSafeInteger(rank)) || (isShifted && isWord)) {
    throw notANumber(place, 'rank', 'a whole number', rankText);
  }
  if (score === undefined) throw notANumber(place, 'score', 'a finite number', scoreText);
  const record: RunRecord = { queryId, docId, score, line: line.number };
  if (!ignoreRanks) record.rank = rank!;
  return record;
}

function shortRecord(columns: string[], expected: number, file: string, line: number): RunRecord {
  const place = at(file, line);
  if (columns.length !== expected) {
    throw new RankDistillmError(
      'bad_input',
      `${place}: expected ${expected} columns as on the first line, found ${columns.length}`,
      { hint: 'Scoreddocs are qid docid, qid docid score, or a TREC run; all lines need the same columns.' },
    );
  }
  const [queryId, docId, scoreText] = columns as [string, string, string?];
  if (scoreText === undefined) return { queryId, docId, inFileOrder: true, line };
  const score = parseDecimal(scoreText);
  if (score === undefined) throw notANumber(place, 'score', 'a finite number', scoreText);
  return { queryId, docId, score, line };
}

function columnHint(text: string, columns: number): string {
  if (text.includes(',') && columns === 1) return 'Separate columns by spaces or tabs, even in .csv files.';
  if (columns === 2 || columns === 3) {
    return 'A file of qid docid, or qid docid score, can be the scoreddocs of a registered dataset.';
  }
  if (columns === 4) return 'This looks like a qrels file; a run has a rank and a score.';
  if (columns === 5) return 'Add a tag as the last column.';
  if (columns > 5) return 'Ids must not contain spaces.';
  return 'Check that this is a TREC run.';
}

function notANumber(place: string, name: string, expected: string, found: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${place}: ${name} must be ${expected}, found '${found}'`, {
    hint: 'The columns are qid Q0 docid rank score tag, without a header line.',
  });
}
