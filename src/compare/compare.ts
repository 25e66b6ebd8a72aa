import { gradesByTopic } from '../data/formats/qrels.js';
import type { Qrel, RunEntry } from '../data/records.js';
import { badArgument, RankDistillmError, throwIfAborted } from '../errors.js';
import { evaluate } from '../evaluate/evaluate.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import { RandomStream } from '../random/random-stream.js';
import { bootstrapInterval, corrected, pairedTTest, randomizationTest, type Correction } from './paired-tests.js';

/** What the measures need of an entry. */
export type ScoredEntry = Pick<RunEntry, 'queryId' | 'docId' | 'score'>;

/** Runs of several systems on the topics of one test collection. */
export interface ComparedDataset {
  name: string;
  /** Datasets of one group (a corpus) count once in the mean over groups. Default: the dataset's name. */
  group?: string;
  qrels: readonly Qrel[];
  /** A run per system, by its name. Systems may be missing. */
  runs: ReadonlyMap<string, Iterable<ScoredEntry>>;
}

export interface CompareOptions {
  /** Measures in ir_measures' notation. Default `['nDCG@10']`. */
  measures?: readonly string[];
  /** System that the others are tested against. Default: the first one. */
  baseline?: string;
  /** For the number of systems tested against the baseline on a dataset. Default `holm`. */
  correction?: Correction;
  /** Corrected p-values below this are significant. Default 0.05. */
  alpha?: number;
  /** Of the randomization test and the bootstrap. Default 10,000. */
  resamples?: number;
  /** Coverage of the bootstrap interval. Default 0.95. */
  confidence?: number;
  /** Of the randomization test and the bootstrap. Default 42. */
  seed?: number;
  signal?: AbortSignal;
}

/** A system against the baseline on the topics of a dataset or group. */
export interface Difference {
  /** Mean over the topics of the system's value less the baseline's. */
  mean: number;
  /** Bootstrap interval of the mean. */
  interval: [lower: number, upper: number];
  /** Topics in which the system is better, equal, worse. */
  wins: number;
  ties: number;
  losses: number;
  /** Cohen's d of the differences; undefined where they are all the same. */
  effect: number | undefined;
  /** Two-sided paired t-test; undefined for one topic. */
  p: number | undefined;
  /** `p` corrected for the number of systems. */
  pCorrected: number | undefined;
  /** Two-sided randomization test, not corrected. */
  pRandomization: number;
  isSignificant: boolean;
}

/** A system on a dataset or group, by one measure. */
export interface ComparedValue {
  system: string;
  mean: number;
  /** Undefined for the baseline, and where the baseline has no run. */
  difference?: Difference;
}

/** A column of the table: a dataset, or the datasets of a group. */
export interface ComparedColumn {
  /** Name of the dataset or group. */
  name: string;
  isGroup: boolean;
  measure: string;
  /** Number of judged topics. */
  topics: number;
  /** One per system that has a run for each of the datasets, in the systems' order. */
  values: ComparedValue[];
}

export interface Comparison {
  systems: string[];
  baseline: string;
  measures: string[];
  correction: Correction;
  alpha: number;
  /** Datasets, then groups of more than one dataset; measure by measure. */
  columns: ComparedColumn[];
  /** Mean over the groups, of systems that have all runs; empty for one group. */
  macro: { measure: string; values: ComparedValue[] }[];
}

/** The values of each system for the topics of one dataset: measure → [topics]. */
interface DatasetValues {
  name: string;
  group: string;
  topics: string[];
  systems: Map<string, Map<string, number[]>>;
}

function valuesOf({ name, group = name, qrels, runs }: ComparedDataset, measures: readonly string[]): DatasetValues {
  const topics = [...gradesByTopic(qrels).keys()];
  const systems = new Map<string, Map<string, number[]>>();
  for (const [system, run] of runs) {
    const { byQuery, topicsInRun } = evaluate(run, qrels, measures);
    if (topicsInRun === 0) {
      throw new RankDistillmError('bad_input', `${name}: the run of ${system} has none of the judged topics`, {
        hint: 'Check that run and qrels belong to the same test collection.',
      });
    }
    systems.set(
      system,
      new Map(measures.map((measure) => [measure, topics.map((topic) => byQuery.get(topic)![measure]!)])),
    );
  }
  return { name, group, topics, systems };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function grouped(datasets: readonly DatasetValues[]): Map<string, DatasetValues[]> {
  const groups = new Map<string, DatasetValues[]>();
  for (const dataset of datasets) groups.set(dataset.group, [...(groups.get(dataset.group) ?? []), dataset]);
  return groups;
}

/**
 * Compares systems on one or more test collections: means of each measure, and paired tests of each system against the
 * baseline over the judged topics (those that a run lacks count 0). A group's mean is that of its datasets' means; its
 * tests are over all their topics.
 *
 * @throws RankDistillmError `bad_input`
 */
export function compareRuns(datasets: readonly ComparedDataset[], options: CompareOptions = {}): Comparison {
  const { correction = 'holm', alpha = 0.05, resamples = 10_000, confidence = 0.95, seed = 42 } = options;
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw badArgument('options.resamples', 'a whole number of at least 1', resamples);
  }
  for (const [name, share] of Object.entries({ alpha, confidence })) {
    if (!(share > 0 && share < 1)) throw badArgument(`options.${name}`, 'a number between 0 and 1', share);
  }
  const measures = [...new Set((options.measures ?? ['nDCG@10']).map((text) => parseMeasure(text).name))];
  const all = datasets.map((dataset) => valuesOf(dataset, measures));
  const systems = [...new Set(all.flatMap((dataset) => [...dataset.systems.keys()]))];
  const baseline = options.baseline ?? systems[0];
  if (baseline === undefined || !systems.includes(baseline)) {
    throw new RankDistillmError('bad_input', `no run is called ${baseline ?? 'anything'}, so nothing can be compared`, {
      hint: `The systems are: ${systems.join(', ') || 'none'}.`,
    });
  }

  const difference = (place: string, system: string, ours: number[], theirs: number[]): Difference => {
    throwIfAborted(options.signal);
    const differences = ours.map((value, i) => value - theirs[i]!);
    const stream = (purpose: string) => new RandomStream({ seed, purpose, epoch: 0, item: `${place}\0${system}` });
    return {
      mean: meanOf(differences),
      interval: bootstrapInterval(differences, confidence, resamples, stream('bootstrap')),
      wins: differences.filter((each) => each > 0).length,
      ties: differences.filter((each) => each === 0).length,
      losses: differences.filter((each) => each < 0).length,
      ...pairedTTest(differences),
      pCorrected: undefined,
      pRandomization: randomizationTest(differences, resamples, stream('randomization')),
      isSignificant: false,
    };
  };

  const column = (name: string, parts: readonly DatasetValues[], measure: string): ComparedColumn => {
    const complete = systems.filter((system) => parts.every((part) => part.systems.has(system)));
    const topicsOf = (system: string) => parts.flatMap((part) => part.systems.get(system)!.get(measure)!);
    const theirs = complete.includes(baseline) ? topicsOf(baseline) : undefined;
    const values = complete.map((system): ComparedValue => {
      const mean = meanOf(parts.map((part) => meanOf(part.systems.get(system)!.get(measure)!)));
      if (system === baseline || !theirs) return { system, mean };
      return { system, mean, difference: difference(`${name}\0${measure}`, system, topicsOf(system), theirs) };
    });
    const tested = values.flatMap((value) => value.difference ?? []);
    corrected(
      tested.map(({ p }) => p),
      correction,
    ).forEach((p, i) => {
      tested[i]!.pCorrected = p;
      tested[i]!.isSignificant = p !== undefined && p < alpha;
    });
    const topics = parts.reduce((sum, part) => sum + part.topics.length, 0);
    return { name, isGroup: parts.length > 1, measure, topics, values };
  };

  const groups = [...grouped(all)];
  const large = groups.filter(([, parts]) => parts.length > 1);
  const columns = measures.flatMap((measure) => [
    ...all.map((dataset) => column(dataset.name, [dataset], measure)),
    ...large.map(([group, parts]) => column(group, parts, measure)),
  ]);
  const complete = systems.filter((system) => all.every((dataset) => dataset.systems.has(system)));
  const macroOf = (system: string, measure: string): number =>
    meanOf(groups.map(([, parts]) => meanOf(parts.map((part) => meanOf(part.systems.get(system)!.get(measure)!)))));
  const macro =
    groups.length < 2
      ? []
      : measures.map((measure) => ({
          measure,
          values: complete.map((system) => ({ system, mean: macroOf(system, measure) })),
        }));
  return { systems, baseline, measures, correction, alpha, columns, macro };
}

/**
 * The entries of a run whose documents are among the first `depth` of the first stage, so that re-rankers which got more
 * are compared on the same candidates.
 */
export function cutToFirstStage<T extends ScoredEntry>(
  run: Iterable<T>,
  firstStage: Iterable<ScoredEntry & { rank: number }>,
  depth: number,
): T[] {
  const kept = new Set<string>();
  const key = (queryId: string, docId: string): string => JSON.stringify([queryId, docId]);
  for (const { queryId, docId, rank } of firstStage) if (rank <= depth) kept.add(key(queryId, docId));
  return [...run].filter(({ queryId, docId }) => kept.has(key(queryId, docId)));
}
