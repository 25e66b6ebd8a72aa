import { at, RankDistillmError } from '../../errors.js';
import { provideFile } from '../../fetch/datasets.js';
import { type Line, readLines } from '../../io/lines.js';
import { firstPlainBytes } from '../../io/plain-bytes.js';
import { isJsonObject, parseJson, shownJson } from '../../io/text.js';
import { columnsOf, parseDecimal } from './columns.js';

const FIX = 'Correct or delete this line.';

/** A query with documents, the positive one first. */
export interface DocTuple {
  queryId: string;
  docIds: string[];
  /** [docIds.length], if the file has scores. */
  scores: number[] | undefined;
  /** False if the list of positives is empty. */
  hasPositive: boolean;
  /** 1-based. */
  line: number;
}

/**
 * Reads training tuples (ir_datasets' docpairs), also gzipped, in blocks of lines. Formats, as in lightning-ir:
 *
 * - three columns: query id, positive, negative (ir_datasets);
 * - five columns: positive's score, negative's score, query id, positive, negative (Hofstätter et al. 2020, "Improving
 *   Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation");
 * - JSON lists, one a line: `[qid, [docid, score], [docid, score], …]` (ColBERTv2), or `[qid, docid, docid, …]`;
 * - JSON objects, one a line: `{"qid": …, "pos": [{"pid": …, "ce-score": …}], "neg": {"bm25": [{…}]}}`
 *   (sentence-transformers' msmarco-hard-negatives).
 *
 * @param system the system whose negatives are used; needed only if an object lists several
 */
export async function* readDocTuples(pathOrName: string, system?: string): AsyncGenerator<DocTuple[]> {
  const path = await provideFile(pathOrName);
  const start = (await firstPlainBytes(path, 64))
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  const isJson = start.startsWith('[') || start.startsWith('{');
  let columns: number | undefined;
  for await (const lines of readLines(path)) {
    yield lines.map((line) => {
      if (isJson) return jsonTuple(line, path, system);
      const cells = columnsOf(line.text);
      columns ??= cells.length;
      return columnTuple(cells, columns, at(path, line.number), line.number);
    });
  }
}

function columnTuple(cells: string[], columns: number, place: string, line: number): DocTuple {
  if (columns !== 3 && columns !== 5) {
    throw new RankDistillmError('bad_input', `${place}: tuples have 3 or 5 columns, found ${columns}`, {
      hint:
        'Write: qid, positive, negative; or: score, score, qid, positive, negative. ' +
        'For more documents use JSON lines: ["qid", ["docid", score], …].',
    });
  }
  if (cells.length !== columns) {
    throw new RankDistillmError(
      'bad_input',
      `${place}: expected ${columns} columns as on the first line, found ${cells.length}`,
      { hint: FIX },
    );
  }
  const [queryId, ...docIds] = cells.slice(-3) as [string, string, string];
  if (columns === 3) return { queryId, docIds, scores: undefined, hasPositive: true, line };
  const scores = cells.slice(0, 2).map((cell) => {
    const score = parseDecimal(cell);
    if (score === undefined) throw badRecord(place, `the score must be a finite number, found '${cell}'`);
    return score;
  });
  return { queryId, docIds, scores, hasPositive: true, line };
}

function jsonTuple(line: Line, path: string, system: string | undefined): DocTuple {
  const place = at(path, line.number);
  const value = parseJson(line.text, () => place, FIX);
  if (Array.isArray(value)) return listTuple(value, place, line.number);
  if (isJsonObject(value)) return objectTuple(value, place, line.number, system);
  throw badRecord(place, 'expected a JSON list or object');
}

function listTuple(values: unknown[], place: string, line: number): DocTuple {
  const [first, ...documents] = values;
  const pairs = documents.map((document): ScoredId => {
    if (!Array.isArray(document)) return { docId: identifier(document, 'document id', place), score: undefined };
    if (document.length !== 2) throw badRecord(place, 'a document must be [docid, score]');
    return { docId: identifier(document[0], 'document id', place), score: finite(document[1], place) };
  });
  return tupleOf(identifier(first, 'query id', place), pairs, true, place, line);
}

function objectTuple(
  record: Record<string, unknown>,
  place: string,
  line: number,
  system: string | undefined,
): DocTuple {
  const { qid, pos, neg } = record;
  if (!Array.isArray(pos) || typeof neg !== 'object' || neg === null || Array.isArray(neg)) {
    throw badRecord(place, 'expected the keys qid, pos (a list) and neg (lists by system)');
  }
  const systems = Object.keys(neg);
  const chosen = system ?? (systems.length === 1 ? systems[0]! : undefined);
  if (chosen === undefined) {
    throw new RankDistillmError(
      'bad_input',
      `${place}: negatives of ${systems.length} systems, but no system is chosen`,
      {
        hint: `Register the dataset under an id such as my-set/sbert-<system>-docpairs; systems: ${systems.join(', ')}.`,
      },
    );
  }
  // a system without results for this query is missing in the record
  const negatives: unknown = Object.hasOwn(neg, chosen) ? (neg as Record<string, unknown>)[chosen] : [];
  if (!Array.isArray(negatives)) throw badRecord(place, `the negatives of ${chosen} must be a list`);
  const pairs = [...(pos as unknown[]), ...(negatives as unknown[])].map((document): ScoredId => {
    if (typeof document !== 'object' || document === null) {
      throw badRecord(place, 'a document must be an object with pid and ce-score');
    }
    const { pid, 'ce-score': score } = document as Record<string, unknown>;
    return { docId: identifier(pid, 'pid', place), score: score === undefined ? undefined : finite(score, place) };
  });
  return tupleOf(identifier(qid, 'qid', place), pairs, pos.length > 0, place, line);
}

interface ScoredId {
  docId: string;
  score: number | undefined;
}

function tupleOf(queryId: string, pairs: ScoredId[], hasPositive: boolean, place: string, line: number): DocTuple {
  const scores = pairs.flatMap(({ score }) => (score === undefined ? [] : [score]));
  if (scores.length !== 0 && scores.length !== pairs.length) {
    throw badRecord(place, 'some documents have a score and some have none');
  }
  const docIds = pairs.map(({ docId }) => docId);
  return { queryId, docIds, scores: scores.length === 0 ? undefined : scores, hasPositive, line };
}

function identifier(value: unknown, what: string, place: string): string {
  if ((typeof value === 'string' && value !== '') || Number.isSafeInteger(value)) return String(value);
  throw badRecord(place, `the ${what} must be a non-empty text or a whole number`);
}

function finite(value: unknown, place: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw badRecord(place, `the score must be a finite number, found ${shownJson(value)}`);
}

function badRecord(place: string, message: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${place}: ${message}`, { hint: FIX });
}
