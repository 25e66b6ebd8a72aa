import type { Candidate } from './candidates.js';

/** Training targets, see `targetsOf`. */
export type Targets = 'relevance' | 'subtopic_relevance' | 'rank' | 'score';

export interface TargetOptions {
  /** `subtopic_relevance` is refused when options are checked. */
  targets: Exclude<Targets, 'subtopic_relevance'>;
  normalizeTargets: boolean;
  /** As given; -1 for the whole ranking. */
  depth: number;
}

/**
 * The training targets of a sample's documents, [documents.length], higher is better, as in lightning-ir's RunDataset:
 *
 * - `relevance`: the grade, 0 for unjudged documents;
 * - `rank`: depth − rank + 1 (−rank without a depth);
 * - `score`: the run's score in float32, 0 for documents without a rank.
 *
 * Normalised: (t − min) / (max − min) over the sample; 0 if all are equal (NaN in lightning-ir).
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
