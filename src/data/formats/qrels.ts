import { at, RankDistillmError } from '../../errors.js';
import { provideFile } from '../../fetch/datasets.js';
import { type Line, readLines } from '../../io/lines.js';
import type { Qrel } from '../records.js';
import { checkedColumns, parseInteger } from './columns.js';

type Field = 'queryId' | 'docId' | 'relevance' | 'iteration';

/** Column names allowed in a header line, in lower case. */
const HEADER_NAMES = new Map<string, Field>(
  Object.entries({
    query_id: 'queryId',
    'query-id': 'queryId',
    qid: 'queryId',
    topic: 'queryId',
    topic_id: 'queryId',
    doc_id: 'docId',
    'doc-id': 'docId',
    docid: 'docId',
    docno: 'docId',
    'corpus-id': 'docId',
    corpus_id: 'docId',
    pid: 'docId',
    relevance: 'relevance',
    rel: 'relevance',
    score: 'relevance',
    grade: 'relevance',
    label: 'relevance',
    iteration: 'iteration',
    iter: 'iteration',
    q0: 'iteration',
    subtopic_id: 'iteration',
  }),
);

/** Columns of files without a header, by their number. */
const LAYOUTS: Readonly<Record<number, readonly Field[]>> = {
  2: ['queryId', 'docId'],
  3: ['queryId', 'docId', 'relevance'],
  4: ['queryId', 'iteration', 'docId', 'relevance'],
};

/**
 * Reads judgements, also gzipped: TREC's four columns (`qid iteration docid grade`), three (`qid docid grade`), two
 * (`qid docid`, grade 1), or columns in any order under a header such as BEIR's `query-id corpus-id score`. Separated
 * by spaces or tabs. Grades are whole numbers and may be negative. Repeated judgements are read once (as in
 * lightning-ir); two grades for one document are an error. With `wanted` only the judgements of those topics are kept.
 */
export async function readQrels(pathOrName: string, wanted?: ReadonlySet<string>): Promise<Qrel[]> {
  const path = await provideFile(pathOrName);
  const qrels: Qrel[] = [];
  const seen = new Map<string, { relevance: number; line: number }>();
  let layout: readonly Field[] | undefined;
  let empty = true;
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      const cells = checkedColumns(line, path);
      if (isComment(cells)) continue;
      if (layout === undefined) {
        const header = headerLayout(cells, path, line.number);
        layout = header ?? firstLayout(cells, path, line.number);
        if (header !== undefined) continue;
      }
      const qrel = parseQrel(cells, layout, path, line);
      empty = false;
      if (wanted !== undefined && !wanted.has(qrel.queryId)) continue;
      const key = `${qrel.queryId}\t${qrel.docId}\t${qrel.iteration}`;
      const before = seen.get(key);
      if (before === undefined) {
        seen.set(key, { relevance: qrel.relevance, line: line.number });
        qrels.push(qrel);
      } else if (before.relevance !== qrel.relevance) {
        throw new RankDistillmError(
          'bad_input',
          `${at(path, line.number)}: document '${qrel.docId}' of topic '${qrel.queryId}' has grade ${qrel.relevance}, ` +
            `but ${before.relevance} on line ${before.line}`,
          { hint: 'Keep one grade per topic and document.' },
        );
      }
    }
  }
  if (empty) {
    throw new RankDistillmError('bad_input', `${path}: no judgements`, {
      hint: 'A qrels file has lines such as: 23849 0 1020327 2',
    });
  }
  return qrels;
}

/** As in trec_eval 10, except that a judgement of a topic whose id begins with `#` is no comment. */
function isComment([first, second, , grade, ...more]: string[]): boolean {
  if (!first!.startsWith('#')) return false;
  const isJudgement = /^(q?0|\d+)$/i.test(second ?? '') && parseInteger(grade ?? '') !== undefined && more.length === 0;
  return first === '#' || !isJudgement;
}

function headerLayout(cells: string[], path: string, line: number): readonly Field[] | undefined {
  const fields = cells.map((cell) => HEADER_NAMES.get(cell.toLowerCase()));
  // an id may look like a column name (`topic`), but not all cells of a line
  if (fields.some((field) => field === undefined)) return undefined;
  if (new Set(fields).size !== fields.length || !fields.includes('queryId') || !fields.includes('docId')) {
    throw new RankDistillmError('bad_input', `${at(path, line)}: the header does not name each of its columns once`, {
      hint: 'Name the columns query_id, doc_id and relevance, each once.',
    });
  }
  return fields as Field[];
}

function firstLayout(cells: string[], path: string, line: number): readonly Field[] {
  const layout = LAYOUTS[cells.length];
  if (layout === undefined) {
    throw new RankDistillmError('bad_input', `${at(path, line)}: qrels have 2 to 4 columns, found ${cells.length}`, {
      hint: cells.length === 6 ? 'This looks like a run file.' : 'Write: qid iteration docid grade.',
    });
  }
  return layout;
}

function parseQrel(cells: string[], layout: readonly Field[], path: string, line: Line): Qrel {
  if (cells.length !== layout.length) {
    throw new RankDistillmError(
      'bad_input',
      `${at(path, line.number)}: expected ${layout.length} columns as on the first line, found ${cells.length}`,
      { hint: 'Write: qid iteration docid grade.' },
    );
  }
  const qrel: Qrel = { queryId: '', docId: '', relevance: 1, iteration: '0' };
  for (const [index, field] of layout.entries()) {
    const cell = cells[index]!;
    if (field !== 'relevance') {
      qrel[field] = cell;
      continue;
    }
    const grade = parseInteger(cell);
    if (grade === undefined) {
      throw new RankDistillmError(
        'bad_input',
        `${at(path, line.number)}: the grade must be a whole number, found '${cell}'`,
        {
          hint: `The columns are ${layout.join(', ')}.`,
        },
      );
    }
    qrel.relevance = grade;
  }
  return qrel;
}

/** Grades by topic and document: the greatest, if a document was judged in several iterations (subtopics). */
export function gradesByTopic(qrels: Iterable<Qrel>): Map<string, Map<string, number>> {
  const topics = new Map<string, Map<string, number>>();
  for (const { queryId, docId, relevance } of qrels) {
    let grades = topics.get(queryId);
    if (grades === undefined) {
      grades = new Map<string, number>();
      topics.set(queryId, grades);
    }
    grades.set(docId, Math.max(relevance, grades.get(docId) ?? -Infinity));
  }
  return topics;
}
