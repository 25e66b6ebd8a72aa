import { at, RankDistillmError } from '../../errors.js';
import type { Line } from '../../io/lines.js';
import { parseDecimal, parseInteger } from './numbers.js';
import type { RunRecord } from './run-record.js';

/** Only space and tab part columns: ids may hold other Unicode white space. */
const GAP = /[ \t]+/;
const EDGES = /^[ \t]+|[ \t]+$/g;

/** `qid Q0 docid rank score tag`; the second column and the tag are ignored. */
export function trecRunRecord(line: Line, file: string): RunRecord {
  const columns = line.text.replace(EDGES, '').split(GAP);
  if (columns.length !== 6 && line.text.includes('\r')) {
    throw new RankDistillmError('bad_input', `${at(file, line.number)}: the lines end in carriage returns alone`, {
      hint: "Convert them with `tr '\\r' '\\n'`.",
    });
  }
  if (columns.length !== 6) {
    throw new RankDistillmError(
      'bad_input',
      `${at(file, line.number)}: a run line has 6 columns (qid Q0 docid rank score tag), found ${columns.length}`,
      { hint: columnHint(line.text, columns.length) },
    );
  }
  const [queryId, , docId, rankText, scoreText] = columns as [string, string, string, string, string, string];
  const rank = parseInteger(rankText);
  if (rank === undefined) throw notANumber(file, line.number, 'rank', 'a whole number', rankText);
  const score = parseDecimal(scoreText);
  if (score === undefined) throw notANumber(file, line.number, 'score', 'a finite number', scoreText);
  return { queryId, docId, rank, score, line: line.number };
}

function columnHint(text: string, columns: number): string {
  if (text.includes(',') && columns === 1) return 'Columns are separated by spaces or tabs, also in .csv files.';
  if (columns === 4) return 'This looks like a qrels file; a run has a rank and a score.';
  if (columns === 5) return 'Add a tag as the last column.';
  if (columns > 6) return 'Ids and tags must not hold spaces.';
  return 'Check that this is a TREC run.';
}

function notANumber(file: string, line: number, name: string, expected: string, found: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${at(file, line)}: ${name} must be ${expected}, found '${found}'`, {
    hint: 'The columns are qid Q0 docid rank score tag, without a header line.',
  });
}
