import type { MonoOverrides } from '../checkpoint/load-checkpoint.js';
import type { LoadedConfig } from '../config/load-config.js';
import { cpuPrecision, type CpuPrecision } from '../config/precision.js';
import type { Config } from '../config/schema/schema.js';
import { RankDistillmError } from '../errors.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import type { RunNaming } from './run-path.js';

type DataModule = NonNullable<Config['data']>['init_args'];
type RunArguments = NonNullable<DataModule['inference_datasets']>[number]['init_args'];

export interface RunSettings extends RunArguments {
  /** Where the run's path was written. */
  place: string;
}

export type DatasetFiles = Config['datasets'][string];

/** What re_rank does, read from a configuration and checked as far as that goes without opening files. */
export interface ReRankPlan {
  model: string;
  precision: CpuPrecision;
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

const DATASETS = ['data', 'init_args', 'inference_datasets'];

export function planReRank({ config, placeOf }: LoadedConfig): ReRankPlan {
  const modelArgs = config.model?.init_args;
  if (!modelArgs?.model_name_or_path) {
    throw new RankDistillmError('bad_input', 'model.init_args.model_name_or_path: no model is named', {
      hint: 'Add --model.model_name_or_path MODEL, a folder or a Hugging Face id.',
    });
  }
  refuseNotBuilt(config, placeOf);
  const datasets = (config.data?.init_args.inference_datasets ?? []).map(({ init_args: args }, index) => ({
    ...args,
    place: placeOf([...DATASETS, index, 'init_args', 'run_path_or_id']),
  }));
  if (datasets.length === 0) {
    throw new RankDistillmError('bad_input', 'data.init_args.inference_datasets: there is nothing to re-rank', {
      hint: 'List at least one RunDataset; configs/examples holds two configurations to start from.',
    });
  }
  datasets.forEach((dataset, index) => refuseSampling(dataset, placeOf, index));
  const settings = modelArgs.config?.init_args;
  return {
    model: modelArgs.model_name_or_path,
    precision: cpuPrecision(config.trainer.precision, `${placeOf(['trainer', 'precision'])}: trainer.precision`),
    seed: typeof config.seed_everything === 'number' ? config.seed_everything : undefined,
    overrides: settings
      ? {
          queryLength: settings.query_length,
          docLength: settings.doc_length,
          poolingStrategy: settings.pooling_strategy,
          linearBias: settings.linear_bias,
          scoringStrategy: settings.scoring_strategy,
        }
      : {},
    datasets,
    registered: registeredDatasets(config, placeOf),
    ...callbackOf(config, placeOf),
    metrics: metricsOf(modelArgs.evaluation_metrics ?? [], placeOf),
    showProgress: config.trainer.enable_progress_bar !== false,
  };
}

type PlaceOf = LoadedConfig['placeOf'];

function refuseNotBuilt(config: Config, placeOf: PlaceOf): void {
  const monoConfig = ['model', 'init_args', 'config', 'init_args'];
  const settings = config.model?.init_args.config?.init_args;
  const refusals: [given: boolean, path: string[], what: string, hint: string][] = [
    [
      config.ckpt_path !== null,
      ['ckpt_path'],
      "Lightning's .ckpt files are not read",
      'Save the model with save_pretrained and name its folder in model_name_or_path.',
    ],
    [
      settings?.use_adapter === true,
      [...monoConfig, 'use_adapter'],
      'LoRA adapters are not built',
      'Merge the adapter into the model (peft: merge_and_unload) and save that.',
    ],
    [
      settings?.tokenizer_pattern != null,
      [...monoConfig, 'tokenizer_pattern'],
      'tokenizer patterns are not built',
      'Leave the key out; monoELECTRA models have no pattern.',
    ],
    [
      !['auto', 'cpu'].includes(config.trainer.accelerator),
      ['trainer', 'accelerator'],
      `this release computes on the CPU, not on "${config.trainer.accelerator}"`,
      'Set trainer.accelerator to cpu or auto.',
    ],
  ];
  for (const [given, path, what, hint] of refusals) {
    if (given) throw new RankDistillmError('unsupported', `${placeOf(path)}: ${path.join('.')}: ${what}`, { hint });
  }
}

function refuseSampling(dataset: RunSettings, placeOf: PlaceOf, index: number): void {
  if (dataset.sampling_strategy === 'top') return;
  const path = [...DATASETS, index, 'init_args', 'sampling_strategy'];
  throw new RankDistillmError(
    'unsupported',
    `${placeOf(path)}: ${path.join('.')}: re_rank takes the top of a run, not "${dataset.sampling_strategy}"`,
    { hint: 'Set sampling_strategy to top; the others draw training samples.' },
  );
}

function registeredDatasets(config: Config, placeOf: PlaceOf): Map<string, DatasetFiles> {
  const registered = new Map<string, DatasetFiles>(Object.entries(config.datasets));
  for (const [index, callback] of (config.trainer.callbacks ?? []).entries()) {
    if (callback.class_path !== 'RegisterLocalDatasetCallback') continue;
    const { dataset_id: id, ...files } = callback.init_args;
    if (registered.has(id)) {
      throw new RankDistillmError(
        'bad_input',
        `${placeOf(['trainer', 'callbacks', index])}: the dataset "${id}" is registered twice`,
        { hint: 'Keep one RegisterLocalDatasetCallback or one entry of datasets for each id.' },
      );
    }
    registered.set(id, files);
  }
  return registered;
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

/** `loss` is lightning-ir's name for the validation loss, which re-ranking does not have. */
function metricsOf(names: readonly string[], placeOf: PlaceOf): string[] {
  const metrics = names.flatMap((name, index) => {
    if (name === 'loss') return [];
    try {
      return [parseMeasure(name).name];
    } catch (error) {
      if (!(error instanceof RankDistillmError)) throw error;
      const place = placeOf(['model', 'init_args', 'evaluation_metrics', index]);
      throw new RankDistillmError(error.code, `${place}: ${error.message}`, {
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      });
    }
  });
  return [...new Set(metrics)];
}
