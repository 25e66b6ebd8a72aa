import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { provideFile } from '../fetch/datasets.js';
import { isRemoteName } from '../fetch/remote-files.js';
import { TextsFingerprint } from '../io/fingerprint.js';
import { holdInputs } from '../io/inputs.js';
import type { Candidate } from './candidates.js';
import type { CollectionIndexOptions } from './collection/index-cache.js';
import { CollectionStore } from './collection/collection-store.js';
import { inferredIds } from './dataset-id.js';
import { readQueries } from './formats/texts.js';
import { DATASET_PARTS, DatasetRegistry, type RegisteredDataset } from './registry.js';
import { RunFile, type RunTopic } from './run-file.js';
import type { RunDatasetOptions } from './run-options.js';

/** Smaller runs are read in a second or two. */
const CACHED_RUN_BYTES = 16 * 2 ** 20;

/** Context for opening a dataset, besides its options. */
export interface OpenContext {
  /** Default: an empty one. */
  registry?: DatasetRegistry | undefined;
  /** Folder and progress callback of the collection's index. */
  indexing?: CollectionIndexOptions | undefined;
}

/** The run file that options name, and the dataset it belongs to. */
export interface RunSource {
  path: string;
  /** Name of the run in messages and logs: its file name, or the dataset id. */
  name: string;
  /** Whether the options name a run file. */
  isFile: boolean;
  dataset: RegisteredDataset | undefined;
  /** Id of the registered dataset, or the one inferred from the file name. */
  datasetId: string;
}

/** Finds the run: a file, or the scoreddocs of a registered dataset. */
export async function findRun(options: RunDatasetOptions, registry: DatasetRegistry): Promise<RunSource> {
  const { runPathOrId: named } = options;
  const given = (): RegisteredDataset | undefined =>
    options.dataset == null ? undefined : registry.get(options.dataset, `${named} (dataset)`);
  // before a run of a published file is downloaded, its dataset is known
  const isFile = isRemoteName(named) || (await isFileAt(named));
  if (isFile) {
    const inferred = inferredIds(named);
    const dataset = given() ?? inferred.map((id) => registry.find(id)).find((found) => found !== undefined);
    const datasetId = dataset?.id ?? inferred[0]!;
    return { path: await provideFile(named), name: basename(named), isFile, dataset, datasetId };
  }
  const origin = registry.find(named);
  if (origin === undefined) throw neitherFileNorId(named, registry);
  if (origin.scoreddocs === undefined) {
    throw new RankDistillmError('bad_input', `dataset ${origin.id} has no scoreddocs, so it cannot be used as a run`, {
      hint: 'Register scoreddocs for it, or set run_path_or_id to the path of a run file.',
    });
  }
  const dataset = given() ?? origin;
  return { path: origin.scoreddocs, name: origin.id, isFile, dataset, datasetId: dataset.id };
}

function isFileAt(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => !stats.isDirectory(),
    () => false,
  );
}

function neitherFileNorId(named: string, registry: DatasetRegistry): RankDistillmError {
  const { hint } = registry.unknownId(named, named);
  const message = `${named}: neither a run file nor the id of a registered dataset`;
  return new RankDistillmError('not_found', message, {
    hint: `Check the path; relative paths start from the current working directory. ${hint ?? ''}`,
  });
}

/** An open run with the texts of its dataset. Opens the collection when a text is first needed. */
export class OpenRun {
  #collection: CollectionStore | undefined;
  #usedQueries: string | undefined;
  readonly #registry: DatasetRegistry;
  readonly #indexing: CollectionIndexOptions;
  readonly #held: Disposable;

  private constructor(
    readonly file: RunFile,
    readonly source: RunSource,
    { registry, indexing }: { registry: DatasetRegistry; indexing: CollectionIndexOptions },
  ) {
    this.#registry = registry;
    this.#indexing = indexing;
    const { dataset } = source;
    this.#held = holdInputs(DATASET_PARTS.flatMap((part) => dataset?.[part] ?? []));
  }

  /** Opens a run and creates a dataset from it; closes the run if `make` throws. */
  static async open<T>(
    options: RunDatasetOptions,
    { registry = new DatasetRegistry(), indexing = {} }: OpenContext,
    make: (run: OpenRun) => Promise<T>,
  ): Promise<T> {
    const source = await findRun(options, registry);
    const run = new OpenRun(
      await RunFile.open(source.path, {
        scoreddocs: !source.isFile,
        signal: indexing.signal,
        cacheFrom: indexing.runsFrom ?? CACHED_RUN_BYTES,
        folder: indexing.folder,
      }),
      source,
      {
        registry,
        indexing,
      },
    );
    try {
      return await make(run);
    } catch (error) {
      await run.close();
      throw error;
    }
  }

  get path(): string {
    return this.source.path;
  }

  /** The collection; undefined until a text is needed. */
  get usedDocs(): string | undefined {
    return this.#collection?.path;
  }

  /** The file that queries were read from. */
  get usedQueries(): string | undefined {
    return this.#usedQueries;
  }

  async collection(): Promise<CollectionStore> {
    const { docs, repairsDocs: repairs } = this.source.dataset ?? {};
    if (docs === undefined) throw this.lacks('docs', `${this.path} contains no texts`);
    return (this.#collection ??= await CollectionStore.open(docs, { ...this.#indexing, repairs }));
  }

  /** Opens the collection, and counts the queries as read, as the survey did that is known from before. */
  async useDataset(readsQueries: boolean): Promise<void> {
    await this.collection();
    if (readsQueries) this.#usedQueries = this.source.dataset?.queries;
  }

  /** Ids and texts of documents, in the same order: texts from the run, else from the collection. */
  async texts(documents: readonly Candidate[]): Promise<{ docIds: string[]; docs: string[] }> {
    const docIds = documents.map((document) => document.docId);
    const withoutText = documents.filter((document) => document.text === undefined).map((document) => document.docId);
    const fetched = withoutText.length === 0 ? [] : await (await this.collection()).getTexts(withoutText, this.path);
    let next = 0;
    return { docIds, docs: documents.map((document) => document.text ?? fetched[next++]!) };
  }

  /** Adds the query to each topic, from the run, else from the dataset. A missing query is an error. */
  async withQueries<T extends TopicWithoutQuery>(topics: readonly T[]): Promise<(T & { query: string })[]> {
    const wanted = new Set(topics.filter((topic) => topic.query === undefined).map((topic) => topic.queryId));
    const path = this.source.dataset?.queries;
    if (wanted.size > 0 && path === undefined) throw this.lacks('queries', `${this.path} contains no queries`);
    if (wanted.size > 0) this.#usedQueries = path;
    const queries = wanted.size > 0 ? await readQueries(path!, wanted) : new Map<string, string>();
    return topics.map((topic) => {
      const query = topic.query ?? queries.get(topic.queryId);
      if (query !== undefined) return { ...topic, query };
      const place = this.file.place(topic.line);
      throw new RankDistillmError('not_found', `${place}: query '${topic.queryId}' is not in ${path}`, {
        hint: 'Register the queries that the run was created from.',
      });
    });
  }

  /** The error for a missing part, or for an unregistered dataset. `why` says why the part is needed. */
  lacks(part: 'docs' | 'queries' | 'qrels', why: string): RankDistillmError {
    const { dataset, datasetId } = this.source;
    if (dataset === undefined) return this.#registry.unknownId(datasetId, this.path);
    return new RankDistillmError('bad_input', `${why}, and dataset ${dataset.id} has no ${part}`, {
      hint: `Register ${part} for ${dataset.id}.`,
    });
  }

  async close(): Promise<void> {
    this.#held[Symbol.dispose]();
    await this.#collection?.close();
    await this.file.close();
  }
}

/** A topic with its first line in the run; its query may be missing. */
export interface TopicWithoutQuery {
  queryId: string;
  query: string | undefined;
  line: number;
}

/** The query text in the run for a topic. Two different texts are an error, as in a file of queries. */
export function ownQuery({ queryId, entries, lines }: RunTopic, run: RunFile): string | undefined {
  const first = entries.findIndex(({ query }) => query !== undefined);
  if (first === -1) return undefined;
  const { query } = entries[first]!;
  const other = entries.findIndex((entry) => entry.query !== undefined && entry.query !== query);
  if (other === -1) return query;
  const places = [other, first].map((index) => run.place(lines[index]!));
  throw new RankDistillmError('bad_input', `${places[0]}: query '${queryId}' has a different text at ${places[1]}`, {
    hint: 'Keep one text per query.',
  });
}

/** Hashes of topic ids and of query texts. */
export function fingerprintTopics(topics: Iterable<{ queryId: string; query: string }>): {
  ids: string;
  queries: string;
} {
  const ids = new TextsFingerprint();
  const queries = new TextsFingerprint();
  for (const { queryId, query } of topics) {
    ids.add(queryId);
    queries.add(query);
  }
  return { ids: ids.digest(), queries: queries.digest() };
}
