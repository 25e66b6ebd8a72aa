import { stat } from 'node:fs/promises';
import { RankDistillmError } from '../errors.js';
import { inferredIds } from './dataset-id.js';
import { readQueries } from './formats/texts.js';
import type { DatasetRegistry, RegisteredDataset } from './registry.js';
import type { RunFile, RunTopic } from './run-file.js';
import type { RunDatasetOptions } from './run-options.js';

/** The run file that options name, and the dataset it belongs to. */
export interface RunSource {
  path: string;
  dataset: RegisteredDataset | undefined;
  /** Best guess at the id when no dataset is registered. */
  inferredId: string;
}

/** Finds the run: a file, or the scoreddocs of a dataset named by its id. */
export async function findRun(options: RunDatasetOptions, registry: DatasetRegistry): Promise<RunSource> {
  const { runPathOrId } = options;
  const isFile = await stat(runPathOrId).then(
    (stats) => !stats.isDirectory(),
    () => false,
  );
  if (isFile) {
    const inferred = inferredIds(runPathOrId);
    const dataset =
      options.dataset !== undefined
        ? registry.get(options.dataset, `${runPathOrId} (dataset)`)
        : inferred.map((id) => registry.find(id)).find((found) => found !== undefined);
    return { path: runPathOrId, dataset, inferredId: inferred[0]! };
  }
  const named = registry.find(runPathOrId);
  if (named === undefined) throw neitherFileNorId(runPathOrId, registry);
  if (named.scoreddocs === undefined) {
    throw new RankDistillmError('bad_input', `dataset ${named.id} has no scoreddocs, so it cannot stand for a run`, {
      hint: 'Register scoreddocs for it, or give run_path_or_id the path of a run file.',
    });
  }
  const dataset = options.dataset === undefined ? named : registry.get(options.dataset, `${runPathOrId} (dataset)`);
  return { path: named.scoreddocs, dataset, inferredId: named.id };
}

function neitherFileNorId(runPathOrId: string, registry: DatasetRegistry): RankDistillmError {
  const { hint } = registry.unknownId(runPathOrId, runPathOrId);
  const message = `${runPathOrId}: neither a run file nor the id of a registered dataset`;
  return new RankDistillmError('not_found', message, {
    hint: `Check the path; relative paths start from the current working directory. ${hint ?? ''}`,
  });
}

/** The query that a run itself has for a topic. Two texts of one query are an error, as in a file of queries. */
export function ownQuery({ queryId, entries, lines }: RunTopic, run: RunFile): string | undefined {
  const first = entries.findIndex(({ query }) => query !== undefined);
  if (first === -1) return undefined;
  const { query } = entries[first]!;
  const other = entries.findIndex((entry) => entry.query !== undefined && entry.query !== query);
  if (other === -1) return query;
  const places = [other, first].map((index) => run.place(lines[index]!));
  throw new RankDistillmError('bad_input', `${places[0]}: query '${queryId}' has another text than at ${places[1]}`, {
    hint: 'Keep one text per query.',
  });
}

/** A topic whose query may still be missing, and the first line of the run that names it. */
export interface TopicWithoutQuery {
  queryId: string;
  query: string | undefined;
  line: number;
}

/** Gives each topic its query: the run's own, else that of the dataset. A topic without one is an error. */
export async function addQueries<T extends TopicWithoutQuery>(
  topics: readonly T[],
  run: RunFile,
  source: RunSource,
  registry: DatasetRegistry,
): Promise<(T & { query: string })[]> {
  const wanted = new Set(topics.filter((topic) => topic.query === undefined).map((topic) => topic.queryId));
  const path = source.dataset?.queries;
  if (wanted.size > 0 && path === undefined) throw noTexts('queries', source, registry);
  const queries = wanted.size > 0 ? await readQueries(path!, wanted) : new Map<string, string>();
  return topics.map((topic) => {
    const query = topic.query ?? queries.get(topic.queryId);
    if (query === undefined) {
      throw new RankDistillmError('not_found', `${run.place(topic.line)}: query '${topic.queryId}' is not in ${path}`, {
        hint: 'Register the queries that the run was made for.',
      });
    }
    return { ...topic, query };
  });
}

/** The error when the run carries no texts and its dataset has none either, or is not registered. */
export function noTexts(part: 'docs' | 'queries', source: RunSource, registry: DatasetRegistry): RankDistillmError {
  if (source.dataset === undefined) return registry.unknownId(source.inferredId, source.path);
  return new RankDistillmError(
    'bad_input',
    `${source.path} carries no texts and dataset ${source.dataset.id} has no ${part}`,
    {
      hint: `Register ${part} for ${source.dataset.id}.`,
    },
  );
}

/** The warning when `depth` reaches beyond the run, as lightning-ir gives it. */
export function depthWarning(run: RunFile, depth: number, maxRank: number): string[] {
  return depth === -1 || maxRank >= depth
    ? []
    : [`${run.path}: depth ${depth} is greater than the greatest rank, ${maxRank}`];
}
