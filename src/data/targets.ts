import type { Candidate } from './candidates.js';

/** What a model learns, see `targetsOf`. */
export type Targets = 'relevance' | 'subtopic_relevance' | 'rank' | 'score';

export interface TargetOptions {
  /** `subtopic_relevance` is refused where options are checked. */
  targets: Exclude<Targets, 'subtopic_relevance'>;
  normalizeTargets: boolean;
  /** As given: -1 where the ranking is not cut. */
  depth: number;
}

/**
 * What a model shall learn about the documents of a sample, [documents.length], higher is better, as in lightning-ir's
 * RunDataset:
 *
 * - `relevance`: the grade, 0 where the document was not judged;
 * - `rank`: depth − rank + 1 (−rank without a depth);
 * - `score`: the run's score in float32, 0 for documents without a rank.
 *
 * Normalised: (t − min) / (max − min) over the sample; 0 when all are equal, where lightning-ir has NaN.
 */
export function targetsOf(documents: readonly Candidate[], options: TargetOptions): number[] {
  const targets = documents.map((document) => targetOf(document, options));
  return options.normalizeTargets ? minMax(targets) : targets;
}

function targetOf(document: Candidate, { targets, depth }: TargetOptions): number {
  switch (targets) {
    case 'relevance':
      return document.relevance ?? 0;
    case 'rank':
      return depth - document.rank! + 1;
    case 'score':
      return Math.fround(document.score);
  }
}

function minMax(values: number[]): number[] {
  const min = values.reduce((a, b) => Math.min(a, b), Infinity);
  const max = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return values.map((value) => (max === min ? 0 : (value - min) / (max - min)));
}
