import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { slashed } from '../data/dataset-id.js';
import { readQrels } from '../data/formats/qrels.js';
import type { RunEntry } from '../data/records.js';
import { readRun } from '../data/run-file.js';
import { ioError, RankDistillmError, throwIfAborted } from '../errors.js';
import { cutToFirstStage } from './compare.js';
import type { ReadDataset } from './read-dataset.js';

/** First stage of a run whose name has none. */
const DEFAULT_FIRST_STAGE = 'bm25';

/** A run of the paper's archive: `experiments/<system>/<first stage>_<dataset with dashes>.run`. */
interface ExperimentRun {
  path: string;
  system: string;
  firstStage: string;
  /** The dataset's id with dashes: `msmarco-passage-trec-dl-2019-judged`. */
  dataset: string;
}

/**
 * Lists the runs of a folder in the layout of the paper's archive (Zenodo 15150456). Other files are left out.
 *
 * @throws RankDistillmError `bad_input` where there is no run
 */
async function listExperiments(folder: string): Promise<ExperimentRun[]> {
  const found: ExperimentRun[] = [];
  const systems = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw ioError('read', folder, error);
  });
  for (const system of systems.filter((entry) => entry.isDirectory()).map(({ name }) => name)) {
    for (const name of await readdir(join(folder, system))) {
      const [, stem] = /^(.+)\.run(?:\.gz)?$/.exec(name) ?? [];
      if (stem === undefined) continue;
      const cut = stem.indexOf('_');
      const [firstStage, dataset] = cut < 0 ? [DEFAULT_FIRST_STAGE, stem] : [stem.slice(0, cut), stem.slice(cut + 1)];
      found.push({ path: join(folder, system, name), system, firstStage, dataset });
    }
  }
  if (found.length === 0) {
    throw new RankDistillmError('bad_input', `${folder}: has no runs in folders of systems`, {
      hint: 'Runs lie at <system>/<first stage>_<dataset>.run, for example monoelectra-base/bm25_msmarco-passage-trec-dl-2019-judged.run.',
    });
  }
  return found.sort((a, b) => (a.system === b.system ? compareText(a.path, b.path) : compareText(a.system, b.system)));
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The corpus of a dataset's id with dashes: `clueweb09-en-trec-web-2009` → `clueweb09`; MS MARCO has several. */
function corpusOf(dataset: string): string {
  return /^(msmarco-(passage|document)(-v2)?|[^-]+)/.exec(dataset)![0];
}

export interface ReadExperimentsOptions {
  /** Path of the qrels of a dataset, undefined where there is none: the dataset is left out. */
  qrelsOf: (dataset: string) => string | undefined;
  /** Runs count down to this rank of their first stage, where the folder has its run. Default 100. */
  depth?: number;
  /** Hears of datasets without qrels and of first stages without a run. */
  onNote?: (message: string) => void;
  signal?: AbortSignal;
}

/**
 * Reads the runs of the paper's archive for `compareRuns`. The run of the first stage, `<first stage>/<dataset>.run`,
 * cuts the re-rankers' runs to its top documents. Datasets are grouped by corpus and first stage.
 */
export async function readExperiments(folder: string, options: ReadExperimentsOptions): Promise<ReadDataset[]> {
  const { qrelsOf, depth = 100, onNote = () => undefined, signal } = options;
  const runs = await listExperiments(folder);
  const firstStages = new Set(runs.map(({ firstStage }) => firstStage));
  const datasets: ReadDataset[] = [];
  for (const dataset of new Set(runs.map((run) => run.dataset))) {
    const qrelsPath = qrelsOf(dataset);
    if (qrelsPath === undefined) {
      onNote(`${dataset} is left out: no qrels are given for it (--qrels ${dataset}=FILE)`);
      continue;
    }
    const qrels = await readQrels(qrelsPath);
    for (const firstStage of firstStages) {
      const own = runs.filter((run) => run.dataset === dataset && run.firstStage === firstStage);
      if (own.length === 0) continue;
      const candidates = own.find(({ system }) => system === firstStage);
      if (!candidates)
        onNote(`${dataset}: runs are not cut to the top ${depth}, ${join(folder, firstStage)} has no run of it`);
      const first = candidates && (await readRun(candidates.path));
      const compared = new Map<string, RunEntry[]>();
      for (const { system, path } of own) {
        throwIfAborted(signal);
        const run = await readRun(path, { ignoreRanks: true });
        compared.set(system, first ? cutToFirstStage(run, first, depth) : run);
      }
      const suffix = firstStages.size > 1 ? ` (${firstStage})` : '';
      datasets.push({
        name: `${slashed(dataset)}${suffix}`,
        group: `${corpusOf(dataset)}${suffix}`,
        qrels,
        runs: compared,
        files: new Map(own.map(({ system, path }) => [system, path])),
        qrelsFile: qrelsPath,
      });
    }
  }
  if (datasets.length === 0) {
    throw new RankDistillmError('bad_input', `${basename(folder)}: no dataset has qrels`, {
      hint: `Give them as --qrels ${runs[0]!.dataset}=FILE, once per dataset.`,
    });
  }
  return datasets;
}
