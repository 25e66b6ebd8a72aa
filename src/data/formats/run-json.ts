import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { at, ioError, RankDistillmError } from '../../errors.js';
import { type Line, notUtf8Error } from '../../io/lines.js';
import { isGzip } from '../../io/plain-bytes.js';
import { asJsonObject, parseJson, parseJsonObject, type JsonObject } from '../../io/text.js';
import { runRecord, type RunRecord } from './run-record.js';

/** A JSON document is read into memory, so its size is limited; use jsonl for larger runs. */
const MAX_JSON_BYTES = 256 * 1024 * 1024;

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
  const columns = Object.entries(value as Record<string, unknown>);
  const keys = Object.keys(columns[0]?.[1] ?? {});
  for (const [name, column] of columns) {
    if (typeof column !== 'object' || column === null || Object.keys(column).length !== keys.length) {
      throw new RankDistillmError('bad_input', `${path}: column '${name}' does not have ${keys.length} values`, {
        hint: 'A .json run is one list of objects, or columns of equal length as pandas writes them.',
      });
    }
  }
  return keys.map((key) =>
    Object.fromEntries(columns.map(([name, column]) => [name, (column as Record<string, unknown>)[key]])),
  );
}

async function readWhole(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw ioError('read', path, error);
  }
  if (await isGzip(path)) {
    bytes = await promisify(gunzip)(bytes, { maxOutputLength: MAX_JSON_BYTES }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(path);
        throw new RankDistillmError('bad_input', `${path}: the gzip data is damaged or truncated (${error.message})`, {
          hint: 'Download or compress the file again; `gzip -t` checks it.',
          cause: error,
        });
      },
    );
  }
  if (bytes.length > MAX_JSON_BYTES) throw tooLarge(path);
  if (!isUtf8(bytes)) {
    throw notUtf8Error(path, bytes);
  }
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

function tooLarge(path: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${path}: a .json run of more than 256 MiB`, {
    hint: 'Write it as .jsonl (one object a line), .run or .parquet: these formats are streamed.',
  });
}
