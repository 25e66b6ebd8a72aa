import { RankDistillmError } from '../errors.js';

export type SamplingStrategy = 'single_relevant' | 'top' | 'random' | 'log_random' | 'top_and_random';
export type Targets = 'relevance' | 'subtopic_relevance' | 'rank' | 'score';

/** Options of lightning-ir's RunDataset (there in snake_case). */
export interface RunDatasetOptions {
  /** A run file, or the id of a dataset with scoreddocs. */
  runPathOrId: string;
  /** Documents whose rank in the file is greater are left out; -1 keeps all. Default -1. */
  depth?: number;
  /** Documents per topic; topics with fewer are left out. -1 keeps all. Default -1. */
  sampleSize?: number;
  /** Default `top`: the documents with the lowest ranks. The others are for training and not built yet. */
  samplingStrategy?: SamplingStrategy;
  /** Only training reads targets; scoring ignores them. */
  targets?: Targets | null;
  /** Only training reads targets; scoring ignores them. */
  normalizeTargets?: boolean;
  /** For training, not built yet. Default false. */
  addDocsNotInRanking?: boolean;
  /** Id of the dataset, where the file's name does not tell it. */
  dataset?: string;
}

export interface CheckedRunOptions {
  depth: number;
  sampleSize: number;
}

/** Checks values and refuses what is not built yet. `name` says which dataset is meant. */
export function checkRunOptions(options: RunDatasetOptions, name: string): CheckedRunOptions {
  const depth = options.depth ?? -1;
  const sampleSize = options.sampleSize ?? -1;
  for (const [key, value] of Object.entries({ depth, sample_size: sampleSize })) {
    if (!Number.isSafeInteger(value) || (value < 1 && value !== -1)) {
      throw new RankDistillmError(
        'bad_input',
        `${name}: ${key} must be a positive whole number or -1, found ${value}`,
        {
          hint: '-1 keeps all documents.',
        },
      );
    }
  }
  if ((options.samplingStrategy ?? 'top') !== 'top') {
    throw new RankDistillmError(
      'unsupported',
      `${name}: sampling_strategy ${options.samplingStrategy} is not built yet`,
      {
        hint: 'What works now is sampling_strategy: top.',
      },
    );
  }
  if (options.addDocsNotInRanking === true) {
    throw new RankDistillmError('unsupported', `${name}: add_docs_not_in_ranking is not built yet`, {
      hint: 'What works now is add_docs_not_in_ranking: false.',
    });
  }
  return { depth, sampleSize };
}
