import { RankDistillmError } from '../errors.js';
import { checkSizes, type CheckedRunOptions, type RunDatasetOptions, type SamplingStrategy } from './run-options.js';
import { SAMPLING_STRATEGIES } from './samplers.js';
import type { TargetOptions } from './targets.js';

export interface CheckedTrainingOptions extends CheckedRunOptions, TargetOptions {
  samplingStrategy: SamplingStrategy;
  addDocsNotInRanking: boolean;
}

const TARGETS: readonly TargetOptions['targets'][] = ['relevance', 'rank', 'score'];

/** Checks the options of a RunDataset that is trained on. `name` says which dataset is meant. */
export function checkTrainingOptions(options: RunDatasetOptions, name: string): CheckedTrainingOptions {
  const sizes = checkSizes(options, name);
  const samplingStrategy = options.samplingStrategy ?? 'top';
  if (!SAMPLING_STRATEGIES.includes(samplingStrategy)) {
    throw new RankDistillmError('bad_input', `${name}: unknown sampling_strategy '${samplingStrategy}'`, {
      hint: `Known: ${SAMPLING_STRATEGIES.join(', ')}.`,
    });
  }
  const targets = checkTargets(options.targets ?? null, name);
  const addDocsNotInRanking = options.addDocsNotInRanking ?? false;
  if (addDocsNotInRanking && targets === 'rank') {
    throw new RankDistillmError(
      'bad_input',
      `${name}: targets: rank and add_docs_not_in_ranking: true exclude each other`,
      { hint: 'Added documents have no rank to learn. Set add_docs_not_in_ranking: false, or targets: relevance.' },
    );
  }
  return {
    ...sizes,
    samplingStrategy,
    targets,
    normalizeTargets: options.normalizeTargets ?? false,
    addDocsNotInRanking,
  };
}

function checkTargets(targets: string | null, name: string): TargetOptions['targets'] {
  const known = TARGETS.find((value) => value === targets);
  if (known !== undefined) return known;
  if (targets === null) {
    throw new RankDistillmError('bad_input', `${name}: targets is not set, so there is nothing to learn`, {
      hint: 'Set targets: relevance (grades of the qrels), rank or score (of the run).',
    });
  }
  if (targets === 'subtopic_relevance') {
    throw new RankDistillmError('unsupported', `${name}: targets: subtopic_relevance is not built`, {
      hint: 'targets: relevance takes the greatest grade over all subtopics (iterations).',
    });
  }
  throw new RankDistillmError('bad_input', `${name}: unknown targets '${targets}'`, {
    hint: `Known: ${TARGETS.join(', ')}.`,
  });
}
