import { isUtf8 } from 'node:buffer';
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { RankDistillmError } from '../../errors.js';
import { runRecord, type RunRecord } from './run-record.js';

/** Columns of a run; others are not decoded. */
const WANTED = new Set([
  'query_id',
  'qid',
  'doc_id',
  'docid',
  'docno',
  'iteration',
  'Q0',
  'q0',
  'rank',
  'score',
  'query',
  'text',
  'relevance',
]);
/**
 * Rows decoded at a time: a row group of pandas has up to a million rows. For each window its dictionaries are decoded
 * again.
 */
const WINDOW_ROWS = 262_144;
/** Rows that are objects at a time. */
const BLOCK_ROWS = 1024;

/** A row has an id that others of its topic do not have, which takes a bit at least. */
const MOST_ROWS_PER_BYTE = 64;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Keeps bytes that are not UTF-8: `runRecord` reports them with their row. */
function textOf(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
  if (bytes === undefined || !isUtf8(bytes)) return bytes;
  return decoder.decode(bytes);
}

/** Records of a Parquet run in blocks; `line` is the row, from 1. */
export async function* parquetRunRecords(path: string): AsyncGenerator<RunRecord[]> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const names = parquetSchema(metadata).children.map((child) => child.element.name);
    const columns = names.filter((name) => WANTED.has(name));
    const rows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
    if (
      rows !== Number(metadata.num_rows) ||
      !Number.isSafeInteger(rows) ||
      rows > MOST_ROWS_PER_BYTE * file.byteLength
    ) {
      throw new Error(`it claims ${metadata.num_rows} rows`);
    }
    for (let start = 0; start < rows; start += WINDOW_ROWS) {
      const end = Math.min(start + WINDOW_ROWS, rows);
      const parts = new Map<string, ColumnPart[]>(columns.map((name) => [name, []]));
      await parquetRead({
        file,
        metadata,
        columns,
        compressors,
        rowStart: start,
        rowEnd: end,
        useOffsetIndex: true,
        parsers: { stringFromBytes: textOf },
        onChunk: ({ columnName, columnData, rowStart }) =>
          parts.get(columnName)?.push({ start: rowStart, values: columnData }),
      });
      const values = columns.map((name) => valuesOf(parts.get(name)!, start, end));
      const given = Math.min(end - start, ...values.map(({ length }) => length));
      if (given < end - start) throw new Error(`it claims ${rows} rows, but has ${start + given}`);
      for (let first = start; first < end; first += BLOCK_ROWS) {
        yield Array.from({ length: Math.min(BLOCK_ROWS, end - first) }, (_, i) => {
          const row: Record<string, unknown> = {};
          for (let column = 0; column < columns.length; column++) {
            row[columns[column]!] = values[column]![first - start + i];
          }
          const line = first + i + 1;
          return runRecord(row, `${path}: row ${line}`, line);
        });
      }
    }
  } catch (error) {
    if (error instanceof RankDistillmError) throw error;
    throw new RankDistillmError('bad_input', `${path}: cannot read as Parquet: ${(error as Error).message}`, {
      hint: 'The file may be truncated; download or write it again.',
      cause: error,
    });
  }
}

/** Values of a column from a row on. */
interface ColumnPart {
  start: number;
  values: ArrayLike<unknown>;
}

/** The values of the rows from `start` to `end`; fewer if the parts do not cover them. */
function valuesOf(parts: readonly ColumnPart[], start: number, end: number): unknown[] {
  const found: unknown[] = [];
  for (const part of parts.slice().sort((a, b) => a.start - b.start)) {
    const next = start + found.length;
    if (part.start > next) break;
    const last = Math.min(end, part.start + part.values.length);
    for (let row = next; row < last; row++) found.push(part.values[row - part.start]);
  }
  return found;
}
