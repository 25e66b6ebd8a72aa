import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { RankDistillmError } from '../errors.js';
import { changedWhileRead, readRegion } from '../io/regions.js';
import { discardIndex } from './collection/document-index.js';
import { type CollectionIndexOptions, type IndexedFile, openIndexedFile } from './collection/index-cache.js';
import type { IndexEntries, IndexEntry } from './collection/index-writer.js';
import type { RunTopic, TopicPlace } from './run-file.js';
import { type TopicHead, topicHead, topicOfLine } from './topic-lines.js';

// A large run is kept in the cache folder as a file of topics, one a line (topic-lines.ts), with an index as collections
// have it. Two kinds of lines are indexed besides the topics: one with the run's summary, and lists of its topics.

/** Topics in one list. */
const LISTED_TOGETHER = 10_000;
const SUMMARY = 'summary';
const topicKey = (queryId: string): string => `topic ${queryId}`;
const listKey = (number: number): string => `list ${number}`;

/** What is known of a run without reading its topics. */
export interface RunSummary {
  topics: number;
  /** Number of documents over all topics. */
  size: number;
  hasRelevance: boolean;
  hasTexts: boolean;
  lineWithoutScore?: number | undefined;
}

/** Topics in the order of their first lines. */
interface TopicList {
  queryIds: string[];
  sizes: number[];
  lines: number[];
}

export interface CachedRunSource {
  path: string;
  /** What the topics also depend on, besides the file. */
  options: readonly (string | boolean)[];
  /** All topics as `topicLines` writes them. */
  lines: () => AsyncIterable<Buffer>;
}

/** A run in the cache, open for reading. Holds no topic. */
export class CachedRun {
  readonly #path: string;
  readonly #file: IndexedFile;

  private constructor(
    path: string,
    file: IndexedFile,
    readonly summary: RunSummary,
  ) {
    this.#path = path;
    this.#file = file;
  }

  /** Opens it; reads the whole run the first time. */
  static async open({ path, options, lines }: CachedRunSource, indexing: CollectionIndexOptions): Promise<CachedRun> {
    const file = await openIndexedFile(
      path,
      {
        name: 'runs',
        options,
        isCopy: true,
        expansion: 1,
        read: (plain) => ({
          entries: written(lines(), plain, path),
          compare: () => Promise.resolve(undefined),
          refuse: () => changedWhileRead(path),
        }),
      },
      indexing,
    );
    try {
      const bytes = await readLine(path, file, SUMMARY);
      return new CachedRun(path, file, JSON.parse(bytes!.toString()) as RunSummary);
    } catch (error) {
      file.index.close();
      await file.plain.close();
      throw error;
    }
  }

  /** Names this version of the run: a path to which a suffix can be added. */
  get stem(): string {
    return this.#file.stem;
  }

  /** Topics in the order of their first lines. */
  async places(): Promise<TopicPlace[]> {
    const places: TopicPlace[] = [];
    for (let number = 0; number * LISTED_TOGETHER < this.summary.topics; number++) {
      const bytes = await readLine(this.#path, this.#file, listKey(number));
      const { queryIds, sizes, lines } = JSON.parse(bytes!.toString()) as TopicList;
      for (const [i, queryId] of queryIds.entries()) places.push({ queryId, size: sizes[i]!, line: lines[i]! });
    }
    return places;
  }

  /** Undefined if there is no such topic. */
  async topic(queryId: string): Promise<RunTopic | undefined> {
    const bytes = await readLine(this.#path, this.#file, topicKey(queryId));
    return bytes && topicOfLine(bytes);
  }

  async close(): Promise<void> {
    this.#file.index.close();
    await this.#file.plain.close();
  }
}

async function readLine(path: string, { index, plain, plainPath }: IndexedFile, key: string) {
  const region = index.find(key);
  if (region === undefined) return undefined;
  const bytes = await readRegion(plain, region.offset, region.length, plainPath);
  if (crc32(bytes) === region.checksum) return bytes;
  throw new RankDistillmError('io', `${plainPath}: the copy of ${path} is damaged`, { hint: discardIndex(index.path) });
}

/** Writes the lines of all topics, then lists and summary, to `plain`. */
async function* written(chunks: AsyncIterable<Buffer>, plain: FileHandle, path: string): AsyncGenerator<IndexEntries> {
  const summary: RunSummary = { topics: 0, size: 0, hasRelevance: false, hasTexts: false };
  let list: TopicList = { queryIds: [], sizes: [], lines: [] };
  let lists = 0;
  let plainBytes = 0;
  let entries: IndexEntry[] = [];
  let parts: Buffer[] = [];
  const add = (id: string, line: number, bytes: Buffer): void => {
    entries.push({ id, line, offset: plainBytes, length: bytes.length, checksum: crc32(bytes) });
    parts.push(bytes);
    plainBytes += bytes.length;
  };
  const addList = (): void => {
    add(listKey(lists++), 0, Buffer.from(`${JSON.stringify(list)}\n`));
    list = { queryIds: [], sizes: [], lines: [] };
  };
  const flush = async (): Promise<IndexEntries> => {
    await plain.writeFile(Buffer.concat(parts));
    parts = [];
    const done = { entries, plainBytes };
    entries = [];
    return done;
  };
  for await (const block of chunks) {
    for (let start = 0; start < block.length;) {
      const end = block.indexOf(10, start) + 1;
      const bytes = block.subarray(start, end);
      start = end;
      const head: TopicHead = topicHead(bytes);
      summary.topics += 1;
      summary.size += head.size;
      summary.hasRelevance ||= head.hasRelevance;
      summary.hasTexts ||= head.hasTexts;
      summary.lineWithoutScore ??= head.lineWithoutScore;
      add(topicKey(head.queryId), head.line, bytes);
      list.queryIds.push(head.queryId);
      list.sizes.push(head.size);
      list.lines.push(head.line);
      if (list.queryIds.length === LISTED_TOGETHER) addList();
    }
    yield await flush();
  }
  if (summary.topics === 0) throw emptyRun(path);
  if (list.queryIds.length > 0) addList();
  add(SUMMARY, 0, Buffer.from(`${JSON.stringify(summary)}\n`));
  yield await flush();
}

/** Whole lines out of chunks cut anywhere. */
export async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const rest: Buffer[] = [];
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(10) + 1;
    if (end > 0) yield Buffer.concat([...rest.splice(0), chunk.subarray(0, end)]);
    if (end < chunk.length) rest.push(chunk.subarray(end));
  }
}

/** The error for a run without a line. */
export function emptyRun(path: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${path}: the run is empty`, {
    hint: 'A run has at least one line: qid Q0 docid rank score tag.',
  });
}
