import { stat } from 'node:fs/promises';
import type { RunDatasetOptions } from '../data/run-options.js';
import { DATASET_PARTS, DatasetRegistry, type DatasetParts } from '../data/registry.js';
import { RankDistillmError } from '../errors.js';
import { note, type CliIo } from './cli-io.js';
import type { DatasetFiles, RunSettings } from './config-plan.js';

export function registryOf(registered: ReadonlyMap<string, DatasetFiles>): DatasetRegistry {
  const registry = new DatasetRegistry();
  for (const [id, files] of registered) registry.register(id, partsOf(files));
  return registry;
}

function partsOf(files: DatasetFiles): DatasetParts {
  const parts: DatasetParts = {};
  for (const part of DATASET_PARTS) {
    const path = files[part];
    if (path !== null) parts[part] = path;
  }
  return parts;
}

/** A run as a configuration names it. */
export function runOptions(settings: RunSettings): RunDatasetOptions {
  return {
    runPathOrId: settings.run_path_or_id,
    depth: settings.depth,
    sampleSize: settings.sample_size,
    samplingStrategy: settings.sampling_strategy,
    targets: settings.targets,
    normalizeTargets: settings.normalize_targets,
    addDocsNotInRanking: settings.add_docs_not_in_ranking,
    ...(settings.dataset === null ? {} : { dataset: settings.dataset }),
  };
}

/**
 * A wrong path is the commonest mistake, so its error says where the path was written.
 *
 * @param named a file, or the id of a dataset
 * @param kind what the file would be, for example `run`
 */
export async function assertSourceExists(
  { key, named, place, kind }: { key: string; named: string; place: string; kind: string },
  registry: DatasetRegistry,
): Promise<void> {
  const found = await stat(named).then(
    (entry) => (entry.isDirectory() ? 'folder' : 'file'),
    () => 'nothing',
  );
  if (found === 'file' || registry.find(named)) return;
  const ids = registry.ids();
  const problem =
    found === 'folder' ? `is a folder, not a ${kind} file` : `no such ${kind} file, nor a dataset of this id`;
  throw new RankDistillmError('not_found', `${place}: ${key}: ${named}: ${problem}`, {
    hint:
      'Check the path; relative paths start from the current working directory. ' +
      (ids.length === 0 ? 'No dataset is registered.' : `Registered datasets: ${ids.join(', ')}.`),
  });
}

const INDEXING_NOTE_MS = 5_000;

/** A large collection is indexed for minutes the first time; silence would look like a hang. */
export function indexingNotes(io: CliIo): (documents: number) => void {
  let shownAt = performance.now();
  return (documents) => {
    if (performance.now() - shownAt < INDEXING_NOTE_MS) return;
    shownAt = performance.now();
    note(io, `indexing the collection, ${documents} documents so far (kept for the next time)`);
  };
}
