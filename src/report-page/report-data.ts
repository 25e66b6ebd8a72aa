import type { Comparison } from '../compare/compare.js';

// What a report page shows. The page reads it as JSON; only its types are shared with the program.

/** Values of a system that the table marks. */
export interface ReportCell {
  text: string;
  mark?: 'best' | 'second';
  isSignificant?: true;
}

/** The rankings' properties for one system of a dataset. */
export interface SystemFigures {
  system: string;
  /** Mean nDCG at the cut-offs 1 to `DEPTH`. */
  depth: number[];
  /** Scores of the ranked documents; undefined where they are all the same. */
  scores?: {
    lowest: number;
    highest: number;
    /** Equal bins from the lowest to the highest score, per grade in ascending order. `null`: not judged. */
    grades: { grade: number | null; counts: number[] }[];
  };
  /**
   * [baseline's bucket][system's bucket] → documents, `BUCKETS` of ranks each, the last one for documents that are not
   * ranked. Undefined for the baseline and where it has no run.
   */
  shifts?: { all: number[][]; relevant: number[][] };
}

interface ReportTopic {
  id: string;
  text?: string;
  /** [systems][measures], in the order of the dataset's systems; `null`: the run lacks the topic, which counts 0. */
  values: (number[] | null)[];
}

export interface ReportDataset {
  name: string;
  systems: string[];
  topics: ReportTopic[];
  figures: SystemFigures[];
}

/** Rankings of one dataset, for the view of a query; kept compressed in the page. */
export interface ReportRankings {
  /** [documents] */
  ids: string[];
  /** [documents]; empty: not known. */
  texts: string[];
  /** [topics] → [document, grade, document, grade, …], of ranked documents. */
  grades: number[][];
  /** [topics][systems] → documents, best first; null where the run lacks the topic. */
  ranked: (number[] | null)[][];
  /** The same shape: their scores, in six digits. */
  scores: (number[] | null)[][];
}

/** What a fit logs, a chart each. */
export const TRAINING_KINDS = ['loss', 'learning rate', 'validation', 'share of time waiting for data'] as const;

/** A fit's log: points of each metric, [step, value]. */
export interface TrainingLog {
  name: string;
  series: { metric: string; kind: (typeof TRAINING_KINDS)[number]; points: [number, number][] }[];
}

/** A file that the report was made of. */
export interface ReportSource {
  /** `run`, `qrels`, … */
  what: string;
  dataset?: string;
  system?: string;
  path: string;
  fingerprint: string;
  modified: string;
  /** The record beside a run of ours. */
  record?: object;
}

/** Speed of re-ranking a run, or of training. */
export interface ReportedSpeed {
  what: string;
  pairs: number;
  seconds: number;
  device: string;
  precision: string;
  model: string;
}

export interface ReportData {
  title: string;
  written: { at: string; by: string; command?: string };
  /** Undefined for a report of training alone. */
  table?: { heads: string[]; rows: { system: string; cells: (ReportCell | null)[] }[]; caption: string };
  comparison?: Comparison;
  datasets: ReportDataset[];
  /** Ranks that the view of a query shows; undefined: all. */
  shownDepth?: number;
  hasTexts: boolean;
  training: TrainingLog[];
  sources: ReportSource[];
  /** Settings of a fit, as YAML. */
  configuration?: string;
  /** Speed of re-ranking and of training. */
  throughput: ReportedSpeed[];
}

/** First and last rank of each bucket of the rank-shift matrix. */
export const BUCKETS: readonly (readonly [first: number, last: number])[] = [
  [1, 1],
  [2, 3],
  [4, 5],
  [6, 10],
  [11, 20],
  [21, 50],
  [51, 100],
  [101, Infinity],
];
