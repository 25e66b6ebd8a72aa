import { readPrecision } from '../config/precision.js';
import type { LoadedConfig } from '../config/load-config.js';
import type { Config } from '../config/schema/schema.js';
import { RankDistillmError } from '../errors.js';
import type { RerankRunsOptions } from '../rerank/rerank-runs.js';
import {
  batchLimit,
  inferenceRuns,
  measureNames,
  labelOf,
  monoOverrides,
  namedModel,
  placed,
  refuseGiven,
  refuseNotBuilt,
  registeredDatasets,
  type DatasetFiles,
  type PlaceOf,
  type RunSettings,
} from './config-plan.js';
import { engineSettings } from './engine-settings.js';

/** What re_rank does, read from a configuration and checked as far as that goes without opening files. */
export interface ReRankPlan {
  options: Omit<RerankRunsOptions, 'runs' | 'registry'>;
  datasets: RunSettings[];
  /** Files by dataset id. */
  registered: Map<string, DatasetFiles>;
  showProgress: boolean;
}

const LIMIT = ['trainer', 'limit_test_batches'];

export function planReRank({ config, placeOf }: LoadedConfig): ReRankPlan {
  const model = namedModel(config);
  refuseNotBuilt(config, placeOf);
  const limitTestBatches = batchLimit(config.trainer.limit_test_batches);
  refuseGiven(
    [
      {
        given: config.ckpt_path !== null,
        path: ['ckpt_path'],
        ...ckptRefusal(config.ckpt_path ?? ''),
      },
      {
        given: limitTestBatches !== undefined && Object.values(limitTestBatches).includes(0),
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
  const options = {
    model,
    precision: readPrecision(config.trainer.precision, `${placeOf(['trainer', 'precision'])}: trainer.precision`),
    ...engineSettings(config.trainer, placeOf),
    seed: typeof config.seed_everything === 'number' ? config.seed_everything : undefined,
    config: monoOverrides(config, placeOf),
    label: labelOf(config),
    batchSize: config.data?.init_args.inference_batch_size ?? 1,
    limitTestBatches,
    ...callbackOf(config, placeOf),
    // re-ranking has no validation loss
    metrics: measureNames(config, placeOf).filter((name) => name !== 'loss'),
  };
  const showProgress = config.trainer.enable_progress_bar !== false;
  return { options, datasets, registered: registeredDatasets(config, placeOf), showProgress };
}

/** Why a checkpoint is not read, and the way that works. */
function ckptRefusal(path: string): { what: string; hint: string } {
  if (path.endsWith('.ckpt')) {
    return {
      what: "Lightning's .ckpt files are not read",
      hint: 'Save the model with save_pretrained and name its folder in model_name_or_path.',
    };
  }
  const folder = path === 'last' ? 'FOLDER (that of the checkpoint)' : path;
  return {
    what: 're_rank takes a checkpoint as its model',
    hint: `A checkpoint of fit is a model folder: set --model.model_name_or_path ${folder} and leave ckpt_path out.`,
  };
}

/** An error about the limit gets its place. */
export function atLimit(error: unknown, placeOf: PlaceOf): unknown {
  const [, rest] = (error instanceof RankDistillmError && /^limitTestBatches: (.*)$/.exec(error.message)) || [];
  if (rest === undefined) return error;
  const { code, hint } = error as RankDistillmError;
  return placed(new RankDistillmError(code, rest, hint === undefined ? {} : { hint }), LIMIT, placeOf);
}

function callbackOf(config: Config, placeOf: PlaceOf): Pick<RerankRunsOptions, 'saveDir' | 'runName' | 'overwrite'> {
  const callbacks = config.trainer.callbacks ?? [];
  const [first, second] = callbacks.flatMap((callback, index) =>
    callback.class_path === 'ReRankCallback' ? index : [],
  );
  if (second !== undefined) {
    throw new RankDistillmError('bad_input', `${placeOf(['trainer', 'callbacks', second])}: a second ReRankCallback`, {
      hint: 'Keep one; --trainer.callbacks+= appends, --trainer.callbacks.init_args.save_dir changes the last one.',
    });
  }
  const callback = first === undefined ? undefined : callbacks[first];
  if (callback?.class_path !== 'ReRankCallback') return {};
  const { save_dir: saveDir, run_name: runName, overwrite } = callback.init_args;
  return { saveDir: saveDir ?? undefined, runName: runName ?? undefined, overwrite };
}
