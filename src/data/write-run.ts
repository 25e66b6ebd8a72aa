import { createHash } from 'node:crypto';
import { RankDistillmError } from '../errors.js';
import { writeAtomically, type WriteText } from '../io/atomic-write.js';
import { float32Text } from './formats/columns.js';
import type { RunEntry } from './records.js';

/** A document and its score. */
export interface ScoredDocument {
  docId: string;
  score: number;
}

export interface WriteRunOptions {
  /** Last column, without white space; lightning-ir writes the model's class name. Default `rank-distillm`. */
  tag?: string;
}

/** What was written. */
export interface WrittenRun {
  bytes: number;
  /** `sha256:<hex>` of these bytes. */
  fingerprint: string;
}

/** Writes the scored documents of one topic, given in any order. */
export type WriteTopic = (queryId: string, documents: readonly ScoredDocument[]) => Promise<void>;

/**
 * Writes a TREC run as lightning-ir's ReRankCallback does: `query id`, 0, `document id`, rank, score, tag, separated by
 * tabs; documents by descending float32 score, ties in the order given; ranks from 1. The file is written atomically:
 * if `produce` throws, nothing is left.
 */
export async function writeRunTopics(
  path: string,
  options: WriteRunOptions,
  produce: (writeTopic: WriteTopic) => Promise<void>,
): Promise<WrittenRun> {
  const tag = options.tag ?? 'rank-distillm';
  refuseWhiteSpace(path, 'tag', tag);
  const written = new Set<string>();
  return writeRunText(path, (write) =>
    produce(async (queryId, documents) => {
      if (written.has(queryId)) {
        throw new RankDistillmError('bad_input', `${path}: topic '${queryId}' is written twice`, {
          hint: 'Write all documents of a topic at once.',
        });
      }
      written.add(queryId);
      await write(topicText(path, queryId, documents, tag));
    }),
  );
}

/**
 * Writes the text of a run atomically.
 *
 * @param produce gets a function that tells what it has written so far
 */
export async function writeRunText(
  path: string,
  produce: (write: WriteText, soFar: () => WrittenRun) => Promise<void>,
): Promise<WrittenRun> {
  const hash = createHash('sha256');
  let bytes = 0;
  const soFar = (): WrittenRun => ({ bytes, fingerprint: `sha256:${hash.copy().digest('hex')}` });
  await writeAtomically(path, (write) =>
    produce(async (text) => {
      hash.update(text);
      bytes += Buffer.byteLength(text);
      await write(text);
    }, soFar),
  );
  return soFar();
}

/**
 * Writes entries as `writeRunTopics` does, topics in the order of their first entries. Ranks are computed from scores.
 */
export async function writeRun(
  path: string,
  entries: Iterable<Pick<RunEntry, 'queryId' | 'docId' | 'score'>>,
  options: WriteRunOptions = {},
): Promise<WrittenRun> {
  const topics = new Map<string, ScoredDocument[]>();
  for (const entry of entries) {
    const topic = topics.get(entry.queryId);
    if (topic === undefined) topics.set(entry.queryId, [entry]);
    else topic.push(entry);
  }
  return writeRunTopics(path, options, async (writeTopic) => {
    for (const [queryId, documents] of topics) await writeTopic(queryId, documents);
  });
}

/** The lines of a topic in a TREC run, see `writeRunTopics`. `path` names the run in errors. */
export function topicText(path: string, queryId: string, documents: readonly ScoredDocument[], tag: string): string {
  refuseWhiteSpace(path, 'query id', queryId);
  const seen = new Set<string>();
  const singles = documents.map(({ docId, score }) => {
    refuseWhiteSpace(path, 'document id', docId);
    if (seen.has(docId)) {
      throw new RankDistillmError('bad_input', `${path}: document '${docId}' occurs twice for topic '${queryId}'`, {
        hint: 'Score each document once per topic.',
      });
    }
    seen.add(docId);
    const single = Math.fround(score);
    if (!Number.isFinite(single)) {
      throw new RankDistillmError(
        'bad_input',
        `${path}: topic '${queryId}', document '${docId}': the score is ${score}`,
        {
          hint: 'A run needs finite float32 scores; the model is damaged or overflows.',
        },
      );
    }
    return { docId, single };
  });
  singles.sort((a, b) => b.single - a.single); // stable, so ties stay in the order given
  return singles
    .map(({ docId, single }, index) => `${queryId}\t0\t${docId}\t${index + 1}\t${float32Text(single)}\t${tag}\n`)
    .join('');
}

/** White space as in trec_eval, which uses C's `isspace`: a no-break space is part of an id. */
const WHITE_SPACE = /[\t\n\v\f\r ]/;

/** Whether a text cannot be a column of a TREC run: it is empty or has white space. */
export function hasWhiteSpace(text: string): boolean {
  return text === '' || WHITE_SPACE.test(text);
}

/** @param place the file, or file and line, of `text` */
export function refuseWhiteSpace(place: string, what: string, text: string): void {
  if (!hasWhiteSpace(text)) return;
  throw new RankDistillmError(
    'bad_input',
    `${place}: the ${what} '${JSON.stringify(text).slice(1, -1)}' is empty or contains white space`,
    {
      hint: 'The columns of a TREC run are separated by white space, so it cannot be written.',
    },
  );
}
