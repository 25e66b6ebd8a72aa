import { isUtf8 } from 'node:buffer';
import { at, RankDistillmError } from '../../errors.js';
import { type Line, notUtf8Error } from '../../io/lines.js';
import { isGzip, plainBytes, wholeBytes } from '../../io/plain-bytes.js';
import { tooLarge } from '../../io/regular-file.js';
import { asJsonObject, parseJson, parseJsonObject, type JsonObject } from '../../io/text.js';
import { runRecord, type RunRecord } from './run-record.js';

/** A JSON document is read into memory, where it takes several times its size. */
const LIMIT = {
  bytes: 128 * 2 ** 20,
  hint: 'Write it as .jsonl (one object a line), .run or .parquet: these formats are streamed.',
};

const COLUMNS_HINT = 'A .json run is one list of objects, or columns of equal length as pandas writes them.';
const LINES_HINT = 'A .jsonl file has one complete JSON object on each line.';

/** One JSON object a line. */
export function jsonlRunRecord(line: Line, file: string): RunRecord {
  const place = at(file, line.number);
  return runRecord(parseJsonLine(line.text, place), place, line.number);
}

/** Parses one line that must be a JSON object. */
export function parseJsonLine(text: string, place: string): JsonObject {
  return parseJsonObject(text, place, LINES_HINT);
}

/**
 * One JSON document: a list of records, or columns as pandas' DataFrame.to_json writes them (`{"query_id": {"0": "q1"},
 * …}`, also with lists). Read into memory.
 */
export async function* jsonRunRecords(path: string): AsyncGenerator<RunRecord> {
  const text = await readWhole(path);
  const hint = 'A .json run is one list of objects; for one object a line use the suffix .jsonl.';
  const value = parseJson(text, (line) => at(path, line), hint);
  const rows = Array.isArray(value) ? value : rowsOfColumns(value, path);
  for (const [index, row] of rows.entries()) {
    const place = `${path}: record ${index + 1}`;
    yield runRecord(asJsonObject(row, place, 'A .json run is one list of objects.'), place, index + 1);
  }
}

function rowsOfColumns(value: unknown, path: string): Record<string, unknown>[] {
  const columns = Object.entries(asJsonObject(value, path, COLUMNS_HINT));
  const first = columns[0]?.[1];
  const keys = typeof first === 'object' && first !== null ? Object.keys(first) : [];
  for (const [name, column] of columns) {
    if (typeof column !== 'object' || column === null || Object.keys(column).length !== keys.length) {
      throw new RankDistillmError('bad_input', `${path}: column '${name}' does not have ${keys.length} values`, {
        hint: COLUMNS_HINT,
      });
    }
  }
  return keys.map((key) =>
    Object.fromEntries(columns.map(([name, column]) => [name, ownMember(column as Record<string, unknown>, key)])),
  );
}

/** Not what every object inherits: a key may be `constructor`. */
function ownMember(column: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(column, key) ? column[key] : undefined;
}

async function readWhole(path: string): Promise<string> {
  const bytes = (await isGzip(path)) ? await unpacked(path) : await wholeBytes(path, LIMIT);
  if (!isUtf8(bytes)) throw notUtf8Error(path, bytes);
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

async function unpacked(path: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of plainBytes(path)) {
    parts.push(chunk);
    length += chunk.length;
    if (length > LIMIT.bytes) throw tooLarge(path, length, LIMIT);
  }
  return Buffer.concat(parts);
}
