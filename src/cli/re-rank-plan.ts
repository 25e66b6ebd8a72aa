import type { MonoOverrides } from '../checkpoint/load-checkpoint.js';
import type { LoadedConfig } from '../config/load-config.js';
import { cpuPrecision, type CpuPrecision } from '../config/precision.js';
import type { Config } from '../config/schema/schema.js';
import { RankDistillmError } from '../errors.js';
import {
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
import type { RunNaming } from './run-path.js';

/** What re_rank does, read from a configuration and checked as far as that goes without opening files. */
export interface ReRankPlan {
  model: string;
  precision: CpuPrecision;
  threads: number | undefined;
  tokenizerThreads: number | undefined;
  seed: number | undefined;
  overrides: MonoOverrides;
  datasets: RunSettings[];
  /** Files by dataset id. */
  registered: Map<string, DatasetFiles>;
  naming: RunNaming;
  overwrite: boolean;
  /** Names of measures as ir_measures prints them. */
  metrics: string[];
  showProgress: boolean;
}

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
  const datasets = inferenceRuns(config, placeOf, 're_rank');
  if (datasets.length === 0) {
    throw new RankDistillmError('bad_input', 'data.init_args.inference_datasets: there is nothing to re-rank', {
      hint: 'List at least one RunDataset; configs/examples holds two configurations to start from.',
    });
  }
  return {
    model,
    precision: cpuPrecision(config.trainer.precision, `${placeOf(['trainer', 'precision'])}: trainer.precision`),
    threads: config.trainer.threads ?? undefined,
    tokenizerThreads: config.trainer.tokenizer_threads ?? undefined,
    seed: typeof config.seed_everything === 'number' ? config.seed_everything : undefined,
    overrides: monoOverrides(config),
    datasets,
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
