import { basename, dirname, resolve } from 'node:path';
import { inferredIds, runStem } from '../data/dataset-id.js';
import { readQrels } from '../data/formats/qrels.js';
import { PUBLIC_IDS } from '../fetch/datasets.js';
import type { RunEntry } from '../data/records.js';
import { readRun } from '../data/run-file.js';
import { badArgument, throwIfAborted } from '../errors.js';
import { currentRecord } from '../rerank/provenance.js';
import { cutToFirstStage, type ComparedDataset } from './compare.js';

/** A dataset to compare, with the files that it was read from. */
export interface ReadDataset extends ComparedDataset {
  runs: ReadonlyMap<string, readonly RunEntry[]>;
  /** Run file by system. */
  files: ReadonlyMap<string, string>;
  qrelsFile: string;
}

export interface ReadDatasetOptions {
  /** Default: the dataset's id, if the runs tell it, else a name made of the path of the qrels. */
  name?: string;
  /** File of judgements. */
  qrels: string;
  /** Run files, by the names of their systems or named after themselves. */
  runs: Readonly<Record<string, string>> | readonly string[];
  /** Run whose first documents count, in every run. */
  firstStage?: string;
  /** Rank of the first stage's last document that counts. Default 100. */
  depth?: number;
  signal?: AbortSignal;
}

/**
 * Reads judgements and runs for `compareRuns` and `report`.
 *
 * @throws RankDistillmError `bad_input`, `not_found`, `io`
 */
export async function readDataset(options: ReadDatasetOptions): Promise<ReadDataset> {
  const { qrels: qrelsFile, runs: given, firstStage, depth = 100, signal } = options;
  if (!Number.isSafeInteger(depth) || depth < 1)
    throw badArgument('options.depth', 'a whole number of at least 1', depth);
  const files = new Map(Array.isArray(given) ? namedAfterFiles(given) : Object.entries(given));
  const first = firstStage === undefined ? undefined : await readRun(firstStage);
  const runs = new Map<string, RunEntry[]>();
  for (const [system, path] of files) {
    throwIfAborted(signal);
    const run = await readRun(path, { ignoreRanks: true });
    runs.set(system, first ? cutToFirstStage(run, first, depth) : run);
  }
  const name = options.name ?? (await datasetName(qrelsFile, [...files.values()]));
  return { name, qrels: await readQrels(qrelsFile), runs, files, qrelsFile };
}

/** Systems by the names of their runs, or by the paths where two files have the same name. */
export function namedAfterFiles(paths: readonly string[]): [system: string, path: string][] {
  const stems = paths.map(runStem);
  return paths.map((path, i) => [stems.filter((stem) => stem === stems[i]).length === 1 ? stems[i]! : path, path]);
}

/** Words that do not tell a dataset from another. */
const PARTS = /^(qrels?|judg(e?ments|ed)|test|dev|eval|valid(ation)?|train|passages?|docs?|all)$/i;

/**
 * A name for people: the dataset's id, if a record of our runs or a run's name (`__bm25__msmarco-passage-trec-dl-2020-judged`)
 * tells it, else what the path of the qrels says: `qrels.dl20-passage.txt` gives dl20-passage, `my-set/qrels.test.txt`
 * my-set test.
 */
export async function datasetName(qrels: string, runs: readonly string[]): Promise<string> {
  const known = new Set<string>();
  for (const run of runs) {
    const id = (await currentRecord(run))?.dataset.id ?? inferredIds(run).find((each) => PUBLIC_IDS.includes(each));
    if (id !== undefined) known.add(id);
  }
  const [id] = known;
  if (id !== undefined && known.size === 1) return id;
  const words = runStem(qrels)
    .replace(/\.(txt|tsv|qrels?)$/i, '')
    .split(/[._]+|^qrels?-|-qrels?$/i)
    .filter((word) => word !== '' && !/^qrels?$/i.test(word));
  if (words.some((word) => !PARTS.test(word))) return words.join(' ');
  return [basename(dirname(resolve(qrels))), ...words].join(' ');
}
