import type { MonoOverrides } from '../models/load-checkpoint.js';
import type { LoadedConfig } from '../config/load-config.js';
import { readPrecision, type PrecisionName } from '../config/precision.js';
import type { Config } from '../config/schema/schema.js';
import { RankDistillmError } from '../errors.js';
import type { BatchLimit } from '../train/train-limits.js';
import {
  batchLimit,
  inferenceRuns,
  measureNames,
  monoOverrides,
  namedModel,
  refuseGiven,
  refuseNotBuilt,
  registeredDatasets,
  type DatasetFiles,
  type PlaceOf,
  type RunSettings,
} from './config-plan.js';
import { engineSettings, type EngineSettings } from './engine-settings.js';
import type { RunNaming } from './run-path.js';

/** What re_rank does, read from a configuration and checked as far as that goes without opening files. */
export interface ReRankPlan {
  model: string;
  precision: PrecisionName;
  engine: EngineSettings;
  seed: number | undefined;
  overrides: MonoOverrides;
  datasets: RunSettings[];
  /** Topics of a batch, and how many batches of each dataset are scored. */
  batchSize: number;
  limit: BatchLimit | undefined;
  /** Where the limit was written. */
  limitPlace: string;
  /** Files by dataset id. */
  registered: Map<string, DatasetFiles>;
  naming: RunNaming;
  overwrite: boolean;
  /** Names of measures as ir_measures prints them. */
  metrics: string[];
  showProgress: boolean;
}

const LIMIT = ['trainer', 'limit_test_batches'];

export function planReRank({ config, placeOf }: LoadedConfig): ReRankPlan {
  const model = namedModel(config);
  refuseNotBuilt(config, placeOf);
  refuseGiven(
    [
      {
        given: config.ckpt_path !== null,
        path: ['ckpt_path'],
        what: "Lightning's .ckpt files are not read",
        hint: 'Save the model with save_pretrained and name its folder in model_name_or_path.',
      },
    ],
    placeOf,
  );
  const limit = batchLimit(config.trainer.limit_test_batches);
  refuseGiven(
    [
      {
        given: limit !== undefined && Object.values(limit).includes(0),
        path: LIMIT,
        what: '0 leaves nothing to re-rank',
        hint: 'Leave it out, or set a number of batches.',
        code: 'bad_input',
      },
    ],
    placeOf,
  );
  const datasets = inferenceRuns(config, placeOf, 're_rank');
  if (datasets.length === 0) {
    throw new RankDistillmError('bad_input', 'data.init_args.inference_datasets: there is nothing to re-rank', {
      hint: 'List at least one RunDataset; configs/examples holds two configurations to start from.',
    });
  }
  return {
    model,
    precision: readPrecision(config.trainer.precision, `${placeOf(['trainer', 'precision'])}: trainer.precision`),
    engine: engineSettings(config.trainer, placeOf),
    seed: typeof config.seed_everything === 'number' ? config.seed_everything : undefined,
    overrides: monoOverrides(config),
    datasets,
    batchSize: config.data?.init_args.inference_batch_size ?? 1,
    limit,
    limitPlace: `${placeOf(LIMIT)}: ${LIMIT.join('.')}`,
    registered: registeredDatasets(config, placeOf),
    ...callbackOf(config, placeOf),
    // re-ranking has no validation loss
    metrics: measureNames(config, placeOf).filter((name) => name !== 'loss'),
    showProgress: config.trainer.enable_progress_bar !== false,
  };
}

function callbackOf(config: Config, placeOf: PlaceOf): { naming: RunNaming; overwrite: boolean } {
  let found: { naming: RunNaming; overwrite: boolean } | undefined;
  for (const [index, callback] of (config.trainer.callbacks ?? []).entries()) {
    if (callback.class_path !== 'ReRankCallback') continue;
    if (found) {
      throw new RankDistillmError('bad_input', `${placeOf(['trainer', 'callbacks', index])}: a second ReRankCallback`, {
        hint: 'Keep one; --trainer.callbacks+= appends, --trainer.callbacks.init_args.save_dir changes the last one.',
      });
    }
    const { save_dir: saveDir, run_name: runName, overwrite } = callback.init_args;
    found = { naming: { saveDir, runName }, overwrite };
  }
  return found ?? { naming: { saveDir: null, runName: null }, overwrite: false };
}
