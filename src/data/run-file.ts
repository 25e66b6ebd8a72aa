import { type FileHandle, open, stat } from 'node:fs/promises';
import { at, ioError, throwIfAborted } from '../errors.js';
import { provideFile } from '../fetch/datasets.js';
import { holdInputs } from '../io/inputs.js';
import { type Line, linesOf, splitLines } from '../io/lines.js';
import { isGzip, plainBytes } from '../io/plain-bytes.js';
import { changedWhileRead, chunksOf, readRegion, spool, versionOf } from '../io/regions.js';
import { detectRunFormat, type RunFormat } from './formats/run-format.js';
import { jsonlRunRecord } from './formats/run-json.js';
import { completeTopic, type PlaceOf, type RunRecord } from './formats/run-record.js';
import { trecRunParser, type TrecOptions } from './formats/run-trec.js';
import { groupRecords } from './group-records.js';
import { recordLines } from './record-process.js';
import type { RunEntry } from './records.js';
import { CachedRun, emptyRun, type RunSummary, wholeLines } from './run-cache.js';
import { ScatteredTopics, topicLines } from './topic-lines.js';

/** A topic of a run with all its documents, in file order. */
export interface RunTopic {
  queryId: string;
  entries: RunEntry[];
  /** [entries.length], line of each entry, see `TopicPlace.line`. */
  lines: number[];
}

/** Position of a topic in the file. */
export interface TopicPlace {
  queryId: string;
  /** Number of documents. */
  size: number;
  /** First line, 1-based (record of a JSON list, row of a Parquet file). */
  line: number;
}

interface IndexedTopic extends TopicPlace {
  /** Bytes of the topic's lines in the file that `handle` reads. */
  offset: number;
  length: number;
}

/** A run's records as a seekable file of lines: the file itself, or a temporary copy of a gzipped or columnar run. */
interface LineSource {
  handle: FileHandle;
  /** What `versionOf` was when the file was opened; undefined for a temporary file. */
  version?: string | undefined;
  /** Undefined for a comment line. */
  parse: (line: Line) => RunRecord | undefined;
  placeOf: PlaceOf;
  /** Reads all lines from the start. */
  blocks: () => AsyncIterable<Line[]>;
}

export interface RunFileOptions extends TrecOptions {
  signal?: AbortSignal | undefined;
  /**
   * Files of this size or more are kept in the cache folder, grouped by topic, so that they are read once. Default:
   * none.
   */
  cacheFrom?: number | undefined;
  /** Folder for that. Default: see `CollectionIndexOptions`. */
  folder?: string | undefined;
}

/** Where a run's topics come from. */
interface TopicSource {
  summary: RunSummary;
  places(): TopicPlace[] | Promise<TopicPlace[]>;
  /** Undefined if there is no such topic. */
  topic(queryId: string): Promise<RunTopic | undefined>;
  close(): Promise<void>;
}

/**
 * A run that is read topic by topic, with one topic in memory. Opening reads the file once, checks every line and
 * indexes the topics. If a topic's lines are scattered, the records are first sorted into a temporary file. Large runs
 * are kept in the cache folder, see `RunFileOptions.cacheFrom`, and then opened without reading them.
 */
export class RunFile implements AsyncDisposable {
  readonly #topics: TopicSource;
  readonly #placeOf: PlaceOf;
  readonly #held: Disposable;

  private constructor(
    readonly path: string,
    topics: TopicSource,
    placeOf: PlaceOf,
  ) {
    this.#topics = topics;
    this.#placeOf = placeOf;
    this.#held = holdInputs([path]);
  }

  static async open(pathOrName: string, options: RunFileOptions = {}): Promise<RunFile> {
    const path = await provideFile(pathOrName);
    const { cacheFrom = Infinity, folder, signal, ...trec } = options;
    const format = await detectRunFormat(path);
    const placeOf = placesIn(path, format);
    const { size } = await stat(path).catch((error: unknown) => Promise.reject(ioError('read', path, error)));
    if (size < cacheFrom) return new RunFile(path, await LineTopics.open(path, format, { ...trec, signal }), placeOf);
    const { ignoreRanks = false, scoreddocs = false } = trec;
    const open = (lines: typeof cacheLines): Promise<CachedRun> =>
      CachedRun.open(
        {
          path,
          options: [TOPICS_VERSION, ignoreRanks, scoreddocs],
          lines: () => lines(path, format, { ...trec, signal }),
        },
        { ...(folder !== undefined && { folder }), signal },
      );
    const cached = await open(cacheLines).catch((error: unknown) => {
      if (error instanceof ScatteredTopics) return open(regroupedLines);
      throw error;
    });
    return new RunFile(path, cached, placeOf);
  }

  /** Number of documents over all topics. */
  get size(): number {
    return this.#topics.summary.size;
  }

  /** Whether the run has relevance judgements. */
  get hasRelevance(): boolean {
    return this.#topics.summary.hasRelevance;
  }

  /** Whether the run contains document texts. */
  get hasTexts(): boolean {
    return this.#topics.summary.hasTexts;
  }

  /** First line without a score; undefined if every line has one. */
  get lineWithoutScore(): number | undefined {
    return this.#topics.summary.lineWithoutScore;
  }

  /** What can be kept with a run that is in the cache: a path to which a suffix can be added. */
  get cacheStem(): string | undefined {
    return this.#topics instanceof CachedRun ? this.#topics.stem : undefined;
  }

  /** Topics in the order of their first lines. */
  async places(): Promise<TopicPlace[]> {
    return this.#topics.places();
  }

  /** The place of a line, for messages. */
  place(line: number): string {
    return this.#placeOf(line);
  }

  /** Reads one topic. */
  async topic(queryId: string): Promise<RunTopic> {
    const topic = await this.#topics.topic(queryId);
    if (topic === undefined) throw new RangeError(`no topic '${queryId}' in ${this.path}`);
    return topic;
  }

  /** All topics, one after the other, in the order of their first lines. */
  async *stream(): AsyncGenerator<RunTopic> {
    for (const { queryId } of await this.places()) yield await this.topic(queryId);
  }

  async close(): Promise<void> {
    this.#held[Symbol.dispose]();
    await this.#topics.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Names a line: a record of a JSON list, a row of a Parquet file. */
function placesIn(path: string, format: RunFormat): PlaceOf {
  if (format === 'trec' || format === 'jsonl') return (line) => at(path, line);
  const word = format === 'json' ? 'record' : 'row';
  return (line) => `${path}: ${word} ${line}`;
}

type ParseOptions = TrecOptions & { signal?: AbortSignal | undefined };

/** A run as a file of lines, with the places of its topics in memory. */
class LineTopics implements TopicSource {
  private constructor(
    readonly summary: RunSummary,
    private readonly path: string,
    private readonly source: LineSource,
    private readonly index: Map<string, IndexedTopic>,
  ) {}

  static async open(path: string, format: RunFormat, options: ParseOptions): Promise<LineTopics> {
    let source = await openSource(path, format, options);
    try {
      let topics = await indexTopics(source);
      if (topics === undefined) {
        const scattered = source;
        source = await regroup(scattered);
        await scattered.handle.close();
        topics = (await indexTopics(source))!;
      }
      const { index, ...summary } = topics;
      if (summary.size === 0) throw emptyRun(path);
      return new LineTopics({ topics: index.size, ...summary }, path, source, index);
    } catch (error) {
      await source.handle.close();
      throw error;
    }
  }

  places(): TopicPlace[] {
    return [...this.index.values()];
  }

  async topic(queryId: string): Promise<RunTopic | undefined> {
    const place = this.index.get(queryId);
    if (place === undefined) return undefined;
    const { handle, version } = this.source;
    const bytes = await readRegion(handle, place.offset, place.length, this.path);
    if (version !== undefined && (await versionOf(handle)) !== version) throw changedWhileRead(this.path);
    const { lines } = splitLines(bytes, { name: this.path, offset: place.offset, number: place.line });
    const records = recordsOf(lines, this.source);
    if (records.length !== place.size || records.some((record) => record.queryId !== queryId)) {
      throw changedWhileRead(this.path);
    }
    return topicOf(records, this.source.placeOf);
  }

  close(): Promise<void> {
    return this.source.handle.close();
  }
}

/** Version of the lines in the cache. */
const TOPICS_VERSION = 'topics 1';

/** A run as lines of topics. @throws ScatteredTopics if a topic's records are not contiguous */
async function* cacheLines(path: string, format: RunFormat, options: ParseOptions): AsyncGenerator<Buffer> {
  if (format === 'json' || format === 'parquet') {
    yield* wholeLines(recordLines(path, format, options.signal, 'topics'));
    return;
  }
  const source = await openSource(path, format, options);
  try {
    yield* linesOfTopics(source);
  } finally {
    await source.handle.close();
  }
}

/** The same, grouped by topic first. */
async function* regroupedLines(path: string, format: RunFormat, options: ParseOptions): AsyncGenerator<Buffer> {
  const scattered = await openSource(path, format, options);
  let source: LineSource | undefined;
  try {
    source = await regroup(scattered);
    yield* linesOfTopics(source);
  } finally {
    await scattered.handle.close();
    await source?.handle.close();
  }
}

async function* linesOfTopics(source: LineSource): AsyncGenerator<Buffer> {
  async function* records(): AsyncGenerator<RunRecord[]> {
    for await (const lines of source.blocks()) yield recordsOf(lines, source);
  }
  for await (const lines of topicLines(records(), source.placeOf)) yield Buffer.from(lines.join(''));
}

async function openSource(path: string, format: RunFormat, { signal, ...options }: ParseOptions): Promise<LineSource> {
  if (format === 'trec' || format === 'jsonl') {
    const parse = format === 'trec' ? trecRunParser(path, options) : (line: Line) => jsonlRunRecord(line, path);
    const { handle, version, chunks } = (await isGzip(path)) ? await unpacking(path) : await opened(path);
    return {
      handle,
      version,
      parse,
      placeOf: placesIn(path, format),
      blocks: () => linesOf(abortable(chunks(), signal), path),
    };
  }
  const handle = await spool(async (write) => {
    for await (const bytes of recordLines(path, format, signal)) await write(bytes);
  });
  return spooledSource(handle, placesIn(path, format));
}

/** A spool of records as JSON lines. */
function spooledSource(handle: FileHandle, placeOf: PlaceOf): LineSource {
  return {
    handle,
    parse: (line) => JSON.parse(line.text) as RunRecord,
    placeOf,
    blocks: () => linesOf(chunksOf(handle, 'a temporary file'), 'a temporary file'),
  };
}

/** The bytes behind a `LineSource`. */
interface SourceBytes extends Pick<LineSource, 'handle' | 'version'> {
  /** All bytes from the start. After the first pass `handle` can be read at any place. */
  chunks: () => AsyncIterable<Buffer>;
}

async function opened(path: string): Promise<SourceBytes> {
  try {
    const handle = await open(path, 'r');
    return { handle, version: await versionOf(handle), chunks: () => chunksOf(handle, path) };
  } catch (error) {
    throw ioError('read', path, error);
  }
}

/**
 * A gzipped run is unpacked into a temporary file, because topics are read in random order: during the first pass, so
 * that a line is checked before the rest is unpacked.
 */
async function unpacking(path: string): Promise<SourceBytes> {
  const handle = await spool(async () => undefined);
  let isFirst = true;
  const copied = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of plainBytes(path)) {
      await handle.writeFile(chunk);
      yield chunk;
    }
  };
  return {
    handle,
    chunks: () => {
      const chunks = isFirst ? copied() : plainBytes(path);
      isFirst = false;
      return chunks;
    },
  };
}

async function* abortable(chunks: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    throwIfAborted(signal);
    yield chunk;
  }
}

interface TopicIndex extends Omit<RunSummary, 'topics'> {
  index: Map<string, IndexedTopic>;
}

/** Checks every record and indexes the topics; undefined if a topic's lines are not contiguous. */
async function indexTopics(source: LineSource): Promise<TopicIndex | undefined> {
  const index = new Map<string, IndexedTopic>();
  let size = 0;
  let hasRelevance = false;
  let hasTexts = false;
  let lineWithoutScore: number | undefined;
  let records: RunRecord[] = [];
  let offset = 0;
  let end = 0;
  const finish = (): void => {
    const first = records[0];
    if (first === undefined) return;
    completeTopic(records, source.placeOf);
    hasRelevance ||= records.some((record) => record.relevance !== undefined);
    hasTexts ||= records.some((record) => record.text !== undefined);
    lineWithoutScore ??= records.find((record) => record.score === undefined)?.line;
    size += records.length;
    const { queryId, line } = first;
    index.set(queryId, { queryId, size: records.length, line, offset, length: end - offset });
  };
  for await (const lines of source.blocks()) {
    for (const line of lines) {
      const record = source.parse(line);
      if (record === undefined) continue;
      if (record.queryId !== records[0]?.queryId) {
        finish();
        if (index.has(record.queryId)) return undefined;
        records = [];
        offset = line.offset;
      }
      records.push(record);
      end = line.offset + line.length;
    }
  }
  finish();
  return { index, size, hasRelevance, hasTexts, lineWithoutScore };
}

/** Regroups a run by topic, for runs whose topics are not contiguous. */
async function regroup(source: LineSource): Promise<LineSource> {
  async function* records(): AsyncGenerator<RunRecord[]> {
    for await (const lines of source.blocks()) yield recordsOf(lines, source);
  }
  return spooledSource(await groupRecords(records()), source.placeOf);
}

function recordsOf(lines: Line[], { parse }: LineSource): RunRecord[] {
  return lines.map(parse).filter((record) => record !== undefined);
}

function topicOf(records: RunRecord[], placeOf: PlaceOf): RunTopic {
  return {
    queryId: records[0]!.queryId,
    entries: completeTopic(records, placeOf),
    lines: records.map((record) => record.line),
  };
}

export interface ReadRunOptions {
  /**
   * Ignore the rank column of a TREC run, as trec_eval does, and rank by score. Default false.
   */
  ignoreRanks?: boolean;
}

/** Reads a whole run (TREC, json, jsonl or Parquet, also gzipped), topics in the order of their first lines. */
export async function readRun(path: string, options: ReadRunOptions = {}): Promise<RunEntry[]> {
  const entries: RunEntry[] = [];
  for await (const topic of streamRunTopics(path, options)) for (const entry of topic.entries) entries.push(entry);
  return entries;
}

/**
 * Reads a run topic by topic, in the order of their first lines. The whole file is checked before the first topic is
 * returned. Holds one topic at a time.
 */
export async function* streamRunTopics(path: string, { ignoreRanks }: ReadRunOptions = {}): AsyncGenerator<RunTopic> {
  const run = await RunFile.open(path, { ignoreRanks });
  try {
    yield* run.stream();
  } finally {
    await run.close();
  }
}
