import type { MonoOverrides } from '../models/load-checkpoint.js';
import type { LoadedConfig } from '../config/load-config.js';
import type { Config } from '../config/schema/schema.js';
import { Share } from '../config/share.js';
import { RankDistillmError, type ErrorCode } from '../errors.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import type { BatchLimit } from '../train/train-limits.js';

// What re_rank and fit read from a configuration alike, checked as far as that goes without opening files.

export type PlaceOf = LoadedConfig['placeOf'];
export type DatasetFiles = Config['datasets'][string];
type KeyPath = readonly (string | number)[];

type DataModule = NonNullable<Config['data']>['init_args'];
type RunArguments = NonNullable<DataModule['inference_datasets']>[number]['init_args'];

export interface RunSettings extends RunArguments {
  /** Where the run's path was written. */
  place: string;
}

/** Something a configuration says that cannot be done. */
export interface Refusal {
  given: boolean;
  path: KeyPath;
  what: string;
  hint: string;
  /** Default `unsupported`. */
  code?: ErrorCode;
}

/** Throws the first that was given, with its place. */
export function refuseGiven(refusals: readonly Refusal[], placeOf: PlaceOf): void {
  for (const { given, path, what, hint, code = 'unsupported' } of refusals) {
    if (given) throw new RankDistillmError(code, `${placeOf(path)}: ${path.join('.')}: ${what}`, { hint });
  }
}

/** An error that says which key it is about and where that was written. */
export function placed(error: unknown, path: KeyPath, placeOf: PlaceOf): unknown {
  if (!(error instanceof RankDistillmError)) return error;
  const key = `${path.join('.')}: `;
  const message = error.message.startsWith(key) ? error.message : key + error.message;
  return new RankDistillmError(error.code, `${placeOf(path)}: ${message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}

/** Calls `read`; what it throws gets the place and key it is about. */
export function atPlace<T>(path: KeyPath, placeOf: PlaceOf, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw placed(error, path, placeOf);
  }
}

export function namedModel(config: Config): string {
  const name = config.model?.init_args.model_name_or_path;
  if (name) return name;
  throw new RankDistillmError('bad_input', 'model.init_args.model_name_or_path: no model is named', {
    hint: 'Add --model.model_name_or_path MODEL, a folder or a Hugging Face id.',
  });
}

/** What neither verb builds. */
export function refuseNotBuilt(config: Config, placeOf: PlaceOf): void {
  const monoConfig = ['model', 'init_args', 'config', 'init_args'];
  const settings = config.model?.init_args.config?.init_args;
  refuseGiven(
    [
      {
        given: settings?.use_adapter === true,
        path: [...monoConfig, 'use_adapter'],
        what: 'LoRA adapters are not built',
        hint: 'Merge the adapter into the model (peft: merge_and_unload) and save that.',
      },
    ],
    placeOf,
  );
}

/** The fields of `model.config`, which win over the model's own. */
export function monoOverrides(config: Config): MonoOverrides {
  const settings = config.model?.init_args.config?.init_args;
  if (!settings) return {};
  return {
    queryLength: settings.query_length,
    docLength: settings.doc_length,
    poolingStrategy: settings.pooling_strategy,
    linearBias: settings.linear_bias,
    scoringStrategy: settings.scoring_strategy,
  };
}

const INFERENCE = ['data', 'init_args', 'inference_datasets'];

/** The runs that are scored whole. `verb` says in errors who takes no samples of them. */
export function inferenceRuns(config: Config, placeOf: PlaceOf, verb: string): RunSettings[] {
  const datasets = config.data?.init_args.inference_datasets ?? [];
  return datasets.map(({ init_args: args }, index) => {
    const path = [...INFERENCE, index, 'init_args'];
    const strategy = args.sampling_strategy;
    refuseGiven(
      [
        {
          given: strategy !== 'top',
          path: [...path, 'sampling_strategy'],
          what: `${verb} takes the top of a run, not "${strategy}"`,
          hint: 'Set sampling_strategy to top; the others draw training samples.',
        },
      ],
      placeOf,
    );
    return { ...args, place: placeOf([...path, 'run_path_or_id']) };
  });
}

/** A number of batches or a share of them; null is Lightning's "not given". */
export function batchLimit(written: number | Share | null): BatchLimit | undefined {
  if (written === null) return undefined;
  return written instanceof Share ? { share: written.value } : { batches: written };
}

/** Files by dataset id, from the section `datasets` and the callbacks. */
export function registeredDatasets(config: Config, placeOf: PlaceOf): Map<string, DatasetFiles> {
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

/**
 * Names of measures as ir_measures prints them, each once. `loss`, lightning-ir's name for the validation loss, stays
 * `loss`.
 */
export function measureNames(config: Config, placeOf: PlaceOf): string[] {
  const written = config.model?.init_args.evaluation_metrics ?? [];
  const names = written.map((name, index) =>
    name === 'loss'
      ? name
      : atPlace(['model', 'init_args', 'evaluation_metrics', index], placeOf, () => parseMeasure(name).name),
  );
  return [...new Set(names)];
}
