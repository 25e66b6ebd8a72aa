import { at, RankDistillmError } from '../../errors.js';
import { provideFile } from '../../fetch/datasets.js';
import { type BlockPlace, eachLine, type Line, readLines, type SplitBlock, splitLines } from '../../io/lines.js';
import { firstPlainBytes, plainBytes } from '../../io/plain-bytes.js';
import { shownJson } from '../../io/text.js';
import { formatSuffix } from './run-format.js';
import { parseJsonLine } from './run-json.js';

/** `tsv`: id, tab, text. `jsonl`: one JSON object a line. */
export type TextFormat = 'tsv' | 'jsonl';

/** Format of a file of queries or documents, from its name and first bytes, see `textFormat`. */
export async function detectTextFormat(path: string, unpack = plainBytes): Promise<TextFormat> {
  return textFormat(path, await firstPlainBytes(path, 4096, unpack));
}

/** Format of a file of queries or documents: from the suffix, else from the first bytes. */
function textFormat(path: string, bytes: Buffer): TextFormat {
  if (bytes.toString('latin1', 0, 4) === 'PAR1') {
    throw new RankDistillmError('unsupported', `${path}: Parquet is not supported for queries and documents`, {
      hint: 'Write them as .tsv (id, tab, text) or .jsonl; Parquet is for runs.',
    });
  }
  const suffix = formatSuffix(path);
  if (suffix === '.tsv') return 'tsv';
  const start = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  const jsonSuffix = suffix === '.jsonl' || suffix === '.ndjson' || suffix === '.json';
  if (jsonSuffix && start.startsWith('[')) {
    throw new RankDistillmError('bad_input', `${path}: a JSON list; one JSON object a line is needed`, {
      hint: "Convert it with `jq -c '.[]'`.",
    });
  }
  return jsonSuffix || start.startsWith('{') ? 'jsonl' : 'tsv';
}

/** A query or a document: its id and the text that a model reads. */
export interface TextRecord {
  id: string;
  text: string;
}

export type RecordKind = 'query' | 'document';

/**
 * Keys of JSON lines, the first one present wins: ours and lightning-ir's, BEIR's `_id`, Pyserini's `id` and
 * `contents`, MS MARCO v2's `pid` and `passage` (whose `docid` is another document).
 */
const KEYS: Readonly<Record<RecordKind, { id: readonly string[]; text: readonly string[] }>> = {
  query: { id: ['query_id', '_id', 'id', 'qid'], text: ['text', 'query', 'contents'] },
  document: { id: ['doc_id', '_id', 'id', 'pid', 'docid', 'docno'], text: ['text', 'contents', 'passage'] },
};

/**
 * Reads one line of a file of queries or documents. A document's `title` and `text` are joined by a space, as
 * ir_datasets' default_text does for BEIR (even if the title is empty). No title is added to Pyserini's `contents`,
 * which includes it, nor to records with `doc_id`, of which lightning-ir reads only the text.
 */
export function textRecord(
  line: string,
  format: TextFormat,
  kind: RecordKind,
  file: string,
  number: number,
): TextRecord {
  return format === 'tsv' ? tsvRecord(line, kind, file, number) : jsonRecord(line, kind, file, number);
}

function tsvRecord(line: string, kind: RecordKind, file: string, number: number): TextRecord {
  const tab = line.indexOf('\t');
  if (tab < 1 || line.includes('\t', tab + 1)) {
    const found = line.split('\t').length;
    const message =
      tab === 0 ? `the ${kind} id is empty` : `expected 2 columns (${kind} id, tab, text), found ${found}`;
    throw new RankDistillmError('bad_input', `${at(file, number)}: ${message}`, {
      hint: 'Columns are separated by one tab; write texts with tabs or line breaks as .jsonl.',
    });
  }
  return { id: line.slice(0, tab), text: line.slice(tab + 1) };
}

function jsonRecord(line: string, kind: RecordKind, file: string, number: number): TextRecord {
  const place = at(file, number);
  const object = parseJsonLine(line, place);
  const idKey = KEYS[kind].id.find((key) => key in object);
  const textKey = KEYS[kind].text.find((key) => typeof object[key] === 'string');
  const found = KEYS[kind].text.find((key) => key in object);
  if (idKey !== undefined && textKey === undefined && found !== undefined) {
    const value = object[found];
    const shown = value === null ? 'null' : `${shownJson(value)}, which is not a text`;
    throw new RankDistillmError('bad_input', `${place}: the ${kind}'s ${found} is ${shown}`, {
      hint: `Write its text (or "" for an empty one), or delete the line.`,
    });
  }
  if (idKey === undefined || textKey === undefined) {
    const missing = idKey === undefined ? KEYS[kind].id : KEYS[kind].text;
    throw new RankDistillmError('bad_input', `${place}: the ${kind} has none of the keys ${missing.join(', ')}`, {
      hint: `Keys found: ${Object.keys(object).join(', ') || 'none'}. Rename the one that holds it.`,
    });
  }
  const id = object[idKey];
  if (!(typeof id === 'string' && id !== '') && !Number.isSafeInteger(id)) {
    throw new RankDistillmError('bad_input', `${place}: ${idKey} must be a non-empty text or a whole number`, {
      hint: 'Write ids as strings.',
    });
  }
  const text = object[textKey] as string;
  const titled = kind === 'document' && textKey === 'text' && idKey !== 'doc_id';
  const title = titled ? object['title'] : undefined;
  return { id: String(id), text: typeof title === 'string' ? `${title} ${text}` : text };
}

/** The line of a document. */
export interface DocumentLine {
  id: string;
  /** 1-based. */
  number: number;
  /** Where the line starts in the decompressed content, in bytes. */
  offset: number;
  /** Length in bytes, without the line's end. */
  length: number;
}

const TAB = 9;

/** As `splitLines`, with the checks of `textRecord`, for documents of whose lines only the ids are needed. */
export function documentLines(format: TextFormat): (block: Buffer, place: BlockPlace) => SplitBlock<DocumentLine> {
  return format === 'tsv'
    ? tsvDocuments
    : (block, place) => {
        const { lines, count } = splitLines(block, place);
        return { lines: lines.map((line) => documentLine(line, format, place.name)), count };
      };
}

function documentLine({ text, number, offset, length }: Line, format: TextFormat, file: string): DocumentLine {
  return { id: textRecord(text, format, 'document', file, number).id, number, offset, length };
}

/** Finds the tabs in the bytes: to decode the texts takes twice as long as all the rest. */
function tsvDocuments(block: Buffer, place: BlockPlace): SplitBlock<DocumentLine> {
  const lines: DocumentLine[] = [];
  let tab = 0;
  const count = eachLine(block, place, (start, end, number) => {
    const offset = place.offset + start;
    const length = end - start;
    if (tab !== -1 && tab < start) tab = block.indexOf(TAB, start);
    const second = tab !== -1 && tab < end ? block.indexOf(TAB, tab + 1) : -1;
    const first = block[start]!;
    // a line that begins with a visible character is not blank
    if (first > 0x20 && first < 0x7f && tab > start && tab < end && (second === -1 || second >= end)) {
      lines.push({ id: block.toString('utf8', start, tab), number, offset, length });
    } else {
      const text = block.toString('utf8', start, end);
      if (text.trim() !== '') lines.push(documentLine({ text, number, offset, length }, 'tsv', place.name));
    }
    if (tab < end) tab = second;
  });
  return { lines, count };
}

/**
 * Reads queries (TSV or JSON lines, also gzipped) into a map from query id to text, in file order. With `wanted` only
 * those are kept, but every line is checked.
 */
export async function readQueries(pathOrName: string, wanted?: ReadonlySet<string>): Promise<Map<string, string>> {
  const path = await provideFile(pathOrName);
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
