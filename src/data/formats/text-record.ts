import { at, RankDistillmError } from '../../errors.js';
import { parseObject } from './run-json.js';
import type { TextFormat } from './text-format.js';

/** A query or a document: its id and the text that a model reads. */
export interface TextRecord {
  id: string;
  text: string;
}

export type RecordKind = 'query' | 'document';

/** Keys of JSON lines, first one present wins: ours and lightning-ir's, BEIR's `_id`, Pyserini's `id` and `contents`. */
const KEYS: Readonly<Record<RecordKind, { id: readonly string[]; text: readonly string[] }>> = {
  query: { id: ['query_id', '_id', 'id', 'qid'], text: ['text', 'query', 'contents'] },
  document: { id: ['doc_id', '_id', 'id', 'docid', 'docno'], text: ['text', 'contents'] },
};

/**
 * Reads one line of a file of queries or documents. A document's `title` and `text` are joined by a space, as
 * ir_datasets' default_text does for BEIR (also an empty title); Pyserini's `contents` holds the title already, and of
 * lightning-ir's own form, with `doc_id`, lightning-ir reads the text alone.
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
      hint: 'Columns are separated by one tab; a text with tabs or line breaks belongs into .jsonl.',
    });
  }
  return { id: line.slice(0, tab), text: line.slice(tab + 1) };
}

function jsonRecord(line: string, kind: RecordKind, file: string, number: number): TextRecord {
  const place = at(file, number);
  const object = parseObject(line, place);
  const idKey = KEYS[kind].id.find((key) => key in object);
  const textKey = KEYS[kind].text.find((key) => typeof object[key] === 'string');
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
