import { checkOptionNames, type OptionNames } from '../config/option-names.js';
import { RankDistillmError } from '../errors.js';
import { SAMPLING_STRATEGIES, type SamplingStrategy } from './samplers.js';
import type { TargetOptions, Targets } from './targets.js';

/** Options of lightning-ir's RunDataset (there in snake_case). */
export interface RunDatasetOptions {
  /** A run file, or the id of a dataset with scoreddocs. */
  runPathOrId: string;
  /** Documents whose rank in the file is greater are left out; -1 keeps all. Default -1. */
  depth?: number;
  /** Documents per topic; topics with fewer are left out. -1 keeps all. Default -1. */
  sampleSize?: number;
  /** Default `top`: the documents with the lowest ranks. The others are for training only. */
  samplingStrategy?: SamplingStrategy;
  /** What a model learns: training needs them, validation takes them for the loss, re-ranking ignores them. */
  targets?: Targets | null;
  /** Scales the targets of each sample to 0 to 1. Default false. */
  normalizeTargets?: boolean;
  /** Adds judged documents that the run lacks; for training only. Default false. */
  addDocsNotInRanking?: boolean;
  /** Id of the dataset, where the file's name does not tell it. */
  dataset?: string;
}

const NAMES: OptionNames<RunDatasetOptions> = {
  runPathOrId: true,
  depth: true,
  sampleSize: true,
  samplingStrategy: true,
  targets: true,
  normalizeTargets: true,
  addDocsNotInRanking: true,
  dataset: true,
};

/** Options with their defaults, but for what targets are, which training and inference treat differently. */
export interface CheckedRunOptions {
  depth: number;
  sampleSize: number;
  samplingStrategy: SamplingStrategy;
  normalizeTargets: boolean;
  addDocsNotInRanking: boolean;
}

export interface CheckedTrainingOptions extends CheckedRunOptions, TargetOptions {}

const TARGETS: readonly TargetOptions['targets'][] = ['relevance', 'rank', 'score'];

/** Checks the options of a RunDataset for re-ranking and validation. `name` says which dataset is meant. */
export function checkInferenceOptions(options: RunDatasetOptions, name: string): CheckedRunOptions {
  const checked = checkOptions(options, name);
  if (checked.samplingStrategy !== 'top') {
    throw new RankDistillmError(
      'unsupported',
      `${name}: sampling_strategy ${options.samplingStrategy} is for training only`,
      { hint: 'Re-ranking and validation take sampling_strategy: top.' },
    );
  }
  if (checked.addDocsNotInRanking) {
    throw new RankDistillmError('unsupported', `${name}: add_docs_not_in_ranking is for training only`, {
      hint: 'Re-ranking and validation take add_docs_not_in_ranking: false.',
    });
  }
  return checked;
}

/** Checks the options of a RunDataset that is trained on. `name` says which dataset is meant. */
export function checkTrainingOptions(options: RunDatasetOptions, name: string): CheckedTrainingOptions {
  const checked = checkOptions(options, name);
  const targets = checkTargets(options.targets ?? null, name);
  if (checked.addDocsNotInRanking && targets === 'rank') {
    throw new RankDistillmError(
      'bad_input',
      `${name}: targets: rank and add_docs_not_in_ranking: true exclude each other`,
      { hint: 'Added documents have no rank to learn. Set add_docs_not_in_ranking: false, or targets: relevance.' },
    );
  }
  return { ...checked, targets };
}

/** Checks the names of all options and the values that training and inference have in common. */
function checkOptions(options: RunDatasetOptions, name: string): CheckedRunOptions {
  checkOptionNames(options, NAMES, name);
  const { depth = -1, sampleSize = -1, samplingStrategy = 'top' } = options;
  for (const [key, value] of Object.entries({ depth, sample_size: sampleSize })) {
    if (Number.isSafeInteger(value) && (value >= 1 || value === -1)) continue;
    throw new RankDistillmError('bad_input', `${name}: ${key} must be a positive whole number or -1, found ${value}`, {
      hint: '-1 keeps all documents.',
    });
  }
  if (!SAMPLING_STRATEGIES.includes(samplingStrategy)) {
    throw new RankDistillmError('bad_input', `${name}: unknown sampling_strategy '${samplingStrategy}'`, {
      hint: `Known: ${SAMPLING_STRATEGIES.join(', ')}.`,
    });
  }
  const { normalizeTargets = false, addDocsNotInRanking = false } = options;
  return { depth, sampleSize, samplingStrategy, normalizeTargets, addDocsNotInRanking };
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
