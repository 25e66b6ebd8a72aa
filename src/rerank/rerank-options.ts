import { z } from 'zod';
import { section, type OptionsOf, type SettingsOf } from '../config/read-settings.js';
import { reRankCallbackKeys } from '../config/schema/callbacks.js';
import { key } from '../config/schema/fields.js';
import { shardOptions } from '../config/schema/shard.js';
import { trainer } from '../config/schema/trainer.js';
import type { CollectionIndexOptions } from '../data/collection/index-cache.js';
import type { DatasetRegistry } from '../data/registry.js';
import type { RunDatasetOptions } from '../data/run-options.js';
import { loadOptions } from '../engine/cross-encoder-options.js';
import { given, modelKeys, passed } from '../engine/engine-options.js';
import type { MeasureValues } from '../evaluate/evaluate.js';
import type { RankGroup } from '../ranks/rank-group.js';
import type { RerankProgress, RerankResult } from './rerank.js';

const { timed: _, ...keys } = modelKeys;

export const rerankRunsOptions = z.strictObject({
  ...keys,
  model: key(z.string().min(1), 'Folder of a model, or a Hugging Face id.'),
  seed: loadOptions.shape.seed,
  runs: given<readonly RunDatasetOptions[]>('a list', 'Options of a RunDataset each.'),
  registry: passed<DatasetRegistry>('an object', 'Files of the datasets. Default: none.'),
  indexing: passed<CollectionIndexOptions>('an object', 'How collections are indexed.'),
  batch_size: key(
    z.int().min(1).default(1),
    'Topics per batch (`inference_batch_size`), the unit of limitTestBatches.',
  ),
  limit_test_batches: trainer.shape.limit_test_batches,
  save_dir: reRankCallbackKeys.save_dir,
  run_name: reRankCallbackKeys.run_name,
  overwrite: reRankCallbackKeys.overwrite,
  refine: reRankCallbackKeys.refine,
  shard: key(section(shardOptions).optional(), 'Score a part of the topics of each run; `mergeRuns` joins the parts.'),
  group: passed<RankGroup>(
    'an object',
    'Ranks that divide the topics, each by a call with the same options. Rank 0 writes the runs; the others return none.',
  ),
  metrics: key(z.array(z.string().min(1)).default([]), 'Measures such as `nDCG@10`, for runs with qrels.'),
  command: key(z.string().optional(), 'Command line, for the record of each run.'),
  on_progress: passed<(progress: RerankProgress & { label: string }) => void>(
    'a function',
    'Called after each window of pairs.',
  ),
  on_run: passed<(run: RerankedRun) => void>('a function', 'Called after each run.'),
  on_note: passed<(message: string) => void>(
    'a function',
    'Receives messages that are not warnings. Default: they are dropped.',
  ),
});

/** Options of `rerankRuns`: the names of the YAML in camel case. */
export type RerankRunsOptions = OptionsOf<typeof rerankRunsOptions>;
export type RerankRunsSettings = SettingsOf<typeof rerankRunsOptions>;

/** Result for one run. */
export interface RerankedRun {
  /** File name of the input, or the id of the dataset. */
  label: string;
  datasetId: string;
  outputPath: string;
  /** What this call scored. Undefined: the same result exists already. */
  scoring: RerankResult | undefined;
  /** Topics that an interrupted call had scored. */
  earlierTopics: number;
  /** Topics of the run, and their pairs. */
  topics: number;
  pairs: number;
  /** Means over the scored topics; empty without qrels or measures, and for a shard. */
  metrics: MeasureValues;
  /** Judged topics that were not scored; the means exclude them. */
  unscoredTopics: number;
}
