import { isUtf8 } from 'node:buffer';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
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
/** Rows decoded at a time: a row group of pandas has up to a million rows, too many objects to hold. */
const WINDOW_ROWS = 65_536;

/** A row has an id that others of its topic do not have, which takes a bit at least. */
const MOST_ROWS_PER_BYTE = 64;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Keeps bytes that are not UTF-8: `runRecord` reports them with their row. */
function textOf(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
  if (bytes === undefined || !isUtf8(bytes)) return bytes;
  return decoder.decode(bytes);
}

/** Records of a Parquet run, row by row; `line` is the row, from 1. */
export async function* parquetRunRecords(path: string): AsyncGenerator<RunRecord> {
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
      const window = await parquetReadObjects({
        file,
        metadata,
        columns,
        compressors,
        rowStart: start,
        rowEnd: end,
        useOffsetIndex: true,
        parsers: { stringFromBytes: textOf },
      });
      if (window.length !== end - start) throw new Error(`it claims ${rows} rows, but has ${start + window.length}`);
      for (const [index, row] of window.entries()) {
        const line = start + index + 1;
        yield runRecord(row, `${path}: row ${line}`, line);
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
