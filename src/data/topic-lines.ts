import { completeTopic, type PlaceOf, type RunRecord } from './formats/run-record.js';
import type { RunEntry } from './records.js';
import type { RunTopic } from './run-file.js';

// A topic of a run in the cache is one line: two JSON values with a tab between them (JSON has none outside of texts,
// where it is written \t). The first is a `TopicHead`; the second holds the columns of the documents, and is decoded
// when the topic is read. Numbers are stored as bytes in base64, which is ten times as fast as decimals.

/** What is known of a topic without reading its documents. */
export interface TopicHead {
  queryId: string;
  size: number;
  /** First line, 1-based (record of a JSON list, row of a Parquet file). */
  line: number;
  hasRelevance: boolean;
  hasTexts: boolean;
  /** First line without a score. */
  lineWithoutScore?: number | undefined;
}

interface TopicColumns {
  docIds: string[];
  /** Left out where the lines follow each other, and where the ranks are 1, 2, 3, … */
  lines?: number[] | undefined;
  ranks?: number[] | undefined;
  /** Little-endian float32 or float64, whichever holds them exactly. */
  float32?: string;
  float64?: string;
  /** Left out where no document has one; null where this one has none. */
  queries?: (string | null)[] | undefined;
  texts?: (string | null)[] | undefined;
  relevance?: (number | null)[] | undefined;
  iterations?: (string | null)[] | undefined;
}

/** A run whose topics are not contiguous. */
export class ScatteredTopics extends Error {
  override readonly name = 'ScatteredTopics';
}

/** Records that arrive in blocks, topic by topic. Checks them. @throws ScatteredTopics if a topic comes again */
export async function* topicLines(
  blocks: AsyncIterable<readonly RunRecord[]>,
  placeOf: PlaceOf,
): AsyncGenerator<string[]> {
  const seen = new Set<string>();
  let records: RunRecord[] = [];
  let queryId: string | undefined;
  for await (const block of blocks) {
    const lines: string[] = [];
    for (const record of block) {
      if (record.queryId !== queryId) {
        if (records.length > 0) lines.push(topicLine(records, placeOf));
        if (seen.has(record.queryId)) throw new ScatteredTopics();
        queryId = record.queryId;
        seen.add(queryId);
        records = [];
      }
      records.push(record);
    }
    if (lines.length > 0) yield lines;
  }
  if (records.length > 0) yield [topicLine(records, placeOf)];
}

function topicLine(records: RunRecord[], placeOf: PlaceOf): string {
  const entries = completeTopic(records, placeOf);
  const { queryId, line } = records[0]!;
  const lines = records.map((record) => record.line);
  const ranks = entries.map((entry) => entry.rank);
  const optional = <T>(value: (entry: RunEntry) => T | undefined): (T | null)[] | undefined =>
    entries.some((entry) => value(entry) !== undefined) ? entries.map((entry) => value(entry) ?? null) : undefined;
  const head: TopicHead = {
    queryId,
    size: records.length,
    line,
    hasRelevance: records.some((record) => record.relevance !== undefined),
    hasTexts: records.some((record) => record.text !== undefined),
    lineWithoutScore: records.find((record) => record.score === undefined)?.line,
  };
  const columns: TopicColumns = {
    docIds: entries.map((entry) => entry.docId),
    lines: lines.every((at, i) => at === line + i) ? undefined : lines,
    ranks: ranks.every((rank, i) => rank === i + 1) ? undefined : ranks,
    ...packScores(entries),
    queries: optional((entry) => entry.query),
    texts: optional((entry) => entry.text),
    relevance: optional((entry) => entry.relevance),
    iterations: optional((entry) => entry.iteration),
  };
  return `${JSON.stringify(head)}\t${JSON.stringify(columns)}\n`;
}

function packScores(entries: readonly RunEntry[]): Pick<TopicColumns, 'float32' | 'float64'> {
  const exact = new Float64Array(entries.length);
  let isShort = true;
  for (let i = 0; i < exact.length; i++) {
    const { score } = entries[i]!;
    exact[i] = score;
    isShort &&= Object.is(Math.fround(score), score);
  }
  const base64 = ({ buffer }: Float32Array | Float64Array): string => Buffer.from(buffer).toString('base64');
  return isShort ? { float32: base64(Float32Array.from(exact)) } : { float64: base64(exact) };
}

function unpackScores({ float32, float64 }: TopicColumns): Float32Array | Float64Array {
  const bytes = Uint8Array.from(Buffer.from(float32 ?? float64!, 'base64')).buffer; // a copy lies at a multiple of 8
  return float32 === undefined ? new Float64Array(bytes) : new Float32Array(bytes);
}

/** The head of a line. */
export function topicHead(line: Buffer): TopicHead {
  return JSON.parse(line.toString('utf8', 0, line.indexOf(9))) as TopicHead;
}

/** The topic of a line. */
export function topicOfLine(bytes: Buffer): RunTopic {
  const { queryId, line } = topicHead(bytes);
  const columns = JSON.parse(bytes.toString('utf8', bytes.indexOf(9))) as TopicColumns;
  const scores = unpackScores(columns);
  const { docIds, lines, ranks, queries, texts, relevance, iterations } = columns;
  const entries = docIds.map((docId, i) => {
    const entry: RunEntry = { queryId, docId, rank: ranks?.[i] ?? i + 1, score: scores[i]! };
    if (queries?.[i] != null) entry.query = queries[i];
    if (texts?.[i] != null) entry.text = texts[i];
    if (relevance?.[i] != null) entry.relevance = relevance[i];
    if (iterations?.[i] != null) entry.iteration = iterations[i];
    return entry;
  });
  return { queryId, entries, lines: lines ?? docIds.map((_, i) => line + i) };
}
