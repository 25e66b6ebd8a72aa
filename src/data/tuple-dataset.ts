import { checkOptions, type OptionsOf } from '../config/read-settings.js';
import { tupleDatasetOptions } from '../config/schema/data.js';
import { at, RankDistillmError, throwIfAborted } from '../errors.js';
import { prefetch } from '../io/ahead.js';
import { fingerprintFact, fingerprintLargeFile, type Facts } from '../io/fingerprint.js';
import { changedWhileRead, versionOf } from '../io/regions.js';
import { holdInputs } from '../io/inputs.js';
import { CollectionStore } from './collection/collection-store.js';
import { type DocTuple, readDocTuples } from './formats/doc-tuples.js';
import { readQueries } from './formats/texts.js';
import { fingerprintTopics, type OpenContext } from './open-run.js';
import { DatasetRegistry, type RegisteredDataset } from './registry.js';
import {
  checkStart,
  type EpochOptions,
  isIn,
  type Share,
  type TopicChoice,
  type TrainingDataset,
  type TrainingSample,
  type ValidationDataset,
  WHOLE,
} from './training-dataset.js';
import { surveyTuples, type TupleSurvey } from './tuple-survey.js';

/** Options of lightning-ir's TupleDataset (there in snake_case). */
export type TupleDatasetOptions = OptionsOf<typeof tupleDatasetOptions>;

/** Tuples whose texts are read ahead. */
const TUPLES_AHEAD = 16;

/**
 * Opens a TupleDataset, for training or for the validation loss: queries with a positive and other documents, read from
 * the dataset's docpairs. A first pass counts the tuples and looks up every query and document; a missing text is an
 * error. Then the file is streamed: tuples keep the file order even with `shuffle`, as in lightning-ir.
 */
export async function openTupleDataset(
  options: TupleDatasetOptions,
  { registry = new DatasetRegistry(), indexing = {} }: OpenContext = {},
): Promise<TrainingDataset & ValidationDataset> {
  const settings = checkOptions(tupleDatasetOptions, options);
  const checked = { targets: settings.targets, numDocs: settings.numDocs ?? undefined };
  const dataset = registry.get(options.tuplesDataset, 'tuples_dataset');
  const path = partOf(dataset, 'docpairs');
  const queriesPath = partOf(dataset, 'queries');
  // lightning-ir names its four variants of one file this way
  const system = /(?:^|[/-])sbert-(.+)-docpairs$/.exec(dataset.id)?.[1];
  const held = holdInputs([path, queriesPath]);
  const collection = await CollectionStore.open(partOf(dataset, 'docs'), { ...indexing, repairs: dataset.repairsDocs });
  try {
    const read = async function* (): AsyncGenerator<DocTuple[]> {
      for await (const tuples of readDocTuples(path, system)) {
        throwIfAborted(indexing.signal);
        yield tuples;
      }
    };
    const version = await versionOf(path);
    const survey = await surveyTuples(read(), path, checked, collection);
    const queries = await readQueries(queriesPath, new Set(survey.queryLines.keys()));
    for (const [queryId, line] of survey.queryLines) {
      if (queries.has(queryId)) continue;
      throw new RankDistillmError('not_found', `${at(path, line)}: query '${queryId}' is not in ${queriesPath}`, {
        hint: 'Register the queries that the tuples were created from.',
      });
    }
    const { usable, size, count, warnings } = survey;
    const tuples = async function* (): AsyncGenerator<DocTuple[]> {
      for await (const block of readDocTuples(path, system)) {
        // each epoch reads the file again
        if ((await versionOf(path)) !== version) throw changedWhileRead(path);
        yield block;
      }
    };
    const { repairsDocs = false } = dataset;
    const parts = { name: dataset.id, path, held, ...checked, collection, repairsDocs, queries, tuples };
    return new TupleDataset({ ...parts, usable, size, count, warnings });
  } catch (error) {
    held[Symbol.dispose]();
    await collection.close();
    throw error;
  }
}

interface Parts extends Pick<TupleSurvey, 'usable' | 'size' | 'count' | 'warnings'> {
  name: string;
  path: string;
  /** The files of tuples and queries. */
  held: Disposable;
  targets: 'order' | 'score';
  numDocs: number | undefined;
  collection: CollectionStore;
  repairsDocs: boolean;
  queries: ReadonlyMap<string, string>;
  tuples: () => AsyncIterable<DocTuple[]>;
}

/** See `openTupleDataset`. */
class TupleDataset implements TrainingDataset, ValidationDataset {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.name;
  }

  get label(): string {
    return this.#parts.name;
  }

  get sampleSize(): number {
    return this.#parts.size;
  }

  get warnings(): readonly string[] {
    return this.#parts.warnings;
  }

  countSamples(): number {
    return this.#parts.count;
  }

  countTopics(): number {
    return this.#parts.count;
  }

  countPairs(topics = this.#parts.count): number {
    return Math.min(topics, this.#parts.count) * this.#parts.size;
  }

  async identify(): Promise<Facts> {
    const { path, collection, repairsDocs, queries, targets, numDocs } = this.#parts;
    const sorted = [...queries].sort(([a], [b]) => (a < b ? -1 : 1));
    const { ids, queries: texts } = fingerprintTopics(sorted.map(([queryId, query]) => ({ queryId, query })));
    return {
      'the file of tuples': fingerprintFact(await fingerprintLargeFile(path), path),
      'the collection': fingerprintFact(await fingerprintLargeFile(collection.path), collection.path),
      'the repair of its texts': { value: repairsDocs },
      'the set of queries': fingerprintFact(ids, String(queries.size)),
      'the text of the queries': { ...fingerprintFact(texts), follows: 'the set of queries' },
      targets: { value: targets },
      num_docs: { value: numDocs ?? null },
    };
  }

  /** Tuples have no qrels, as in lightning-ir: there is a loss, but no measures. */
  async qrels(): Promise<undefined> {
    return undefined;
  }

  /** The tuples in file order, the same in every epoch. */
  epoch(options: EpochOptions): AsyncGenerator<TrainingSample> {
    return this.epochShare(options, WHOLE);
  }

  epochShare({ from = 0 }: EpochOptions, share: Share): AsyncGenerator<TrainingSample> {
    checkStart(from, this.#parts.count);
    return this.#read(from, this.#parts.count, (position) => isIn(share, position));
  }

  samples(topics: TopicChoice = this.#parts.count): AsyncGenerator<TrainingSample> {
    if (typeof topics === 'number') return this.#read(0, topics, () => true);
    const chosen = new Set(topics);
    const end = topics.reduce((most, topic) => Math.max(most, topic + 1), 0);
    return this.#read(0, end, (position) => chosen.has(position));
  }

  async close(): Promise<void> {
    this.#parts.held[Symbol.dispose]();
    await this.#parts.collection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#read(from: number, until: number, isWanted: (position: number) => boolean): AsyncGenerator<TrainingSample> {
    const { usable, tuples } = this.#parts;
    let position = 0;
    for await (const block of tuples()) {
      if (position >= until) return;
      const used = block.filter(usable);
      const start = position;
      const wanted = used.filter((_, i) => start + i >= from && start + i < until && isWanted(start + i));
      position += used.length;
      yield* prefetch(wanted, TUPLES_AHEAD, (tuple) => this.#sample(tuple));
    }
  }

  async #sample({ queryId, docIds: all, scores }: DocTuple): Promise<TrainingSample> {
    const { size, targets: kind, collection, queries, path } = this.#parts;
    const docIds = all.slice(0, size);
    const targets =
      kind === 'score' ? scores!.slice(0, size).map(Math.fround) : docIds.map((_, i) => (i === 0 ? 1 : 0));
    return { queryId, query: queries.get(queryId)!, docIds, docs: await collection.getTexts(docIds, path), targets };
  }
}

function partOf(dataset: RegisteredDataset, part: 'docs' | 'queries' | 'docpairs'): string {
  const path = dataset[part];
  if (path !== undefined) return path;
  throw new RankDistillmError('bad_input', `dataset ${dataset.id} has no ${part}, which TupleDataset needs`, {
    hint: `Register ${part} for ${dataset.id}.`,
  });
}
