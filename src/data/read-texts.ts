import { at, RankDistillmError } from '../errors.js';
import { readLines } from '../io/lines.js';
import { textFormat, type TextFormat } from './formats/text-format.js';
import { textRecord, type TextRecord } from './formats/text-record.js';

/**
 * Reads queries (TSV or JSON lines, also gzipped) into a map from query id to text, in file order. With `wanted` only
 * those are kept; every line is checked all the same.
 */
export async function readQueries(path: string, wanted?: ReadonlySet<string>): Promise<Map<string, string>> {
  let format: TextFormat = 'tsv';
  const queries = new Map<string, string>();
  let count = 0;
  for await (const lines of readLines(path, (start) => (format = textFormat(path, start)))) {
    for (const line of lines) {
      const { id, text } = textRecord(line.text, format, 'query', path, line.number);
      count += 1;
      if (wanted !== undefined && !wanted.has(id)) continue;
      const before = queries.get(id);
      if (before !== undefined && before !== text) {
        throw new RankDistillmError(
          'bad_input',
          `${at(path, line.number)}: query '${id}' occurs twice with different texts`,
          {
            hint: 'Keep one line per query.',
          },
        );
      }
      queries.set(id, text);
    }
  }
  if (count === 0) throw emptyFile(path, 'queries');
  return queries;
}

/** Reads a collection (TSV or JSON lines, also gzipped) document by document, in file order. */
export async function* readDocuments(path: string): AsyncGenerator<TextRecord> {
  let format: TextFormat = 'tsv';
  let count = 0;
  for await (const lines of readLines(path, (start) => (format = textFormat(path, start)))) {
    for (const line of lines) yield textRecord(line.text, format, 'document', path, line.number);
    count += lines.length;
  }
  if (count === 0) throw emptyFile(path, 'documents');
}

function emptyFile(path: string, what: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${path}: no ${what}`, { hint: 'The file is empty; check the path.' });
}
