import type { z } from 'zod';
import type { MonoOverrides } from '../models/load-checkpoint.js';
import type { LoadedConfig } from '../config/load-config.js';
import { describeType } from '../config/describe.js';
import { modelKwargs } from '../config/schema/model.js';
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

/** The fields of `model.config`, and those of `model.model_kwargs`, which win over them; both win over the model's. */
export function monoOverrides(config: Config, placeOf: PlaceOf): MonoOverrides {
  const fields = { ...config.model?.init_args.config?.init_args, ...modelKwargsOf(config, placeOf) };
  const overrides: MonoOverrides = {
    queryLength: fields.query_length,
    docLength: fields.doc_length,
    poolingStrategy: fields.pooling_strategy,
    linearBias: fields.linear_bias,
    scoringStrategy: fields.scoring_strategy,
  };
  return Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
}

const MODEL_KWARGS = ['model', 'init_args', 'model_kwargs'];

function modelKwargsOf(config: Config, placeOf: PlaceOf): z.infer<typeof modelKwargs> {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(config.model?.init_args.model_kwargs ?? {})) {
    const path = [...MODEL_KWARGS, key];
    if (Object.hasOwn(modelKwargs.shape, key)) {
      const schema = modelKwargs.shape[key as keyof typeof modelKwargs.shape];
      const given = !schema.safeParse(value).success;
      const what = `expected ${describeType(schema)}, received ${JSON.stringify(value)}`;
      const hint = 'Correct the value; pooling_strategy bert_pool can only be set in model.config.';
      refuseGiven([{ given, path, what, hint, code: 'bad_input' }], placeOf);
      fields[key] = value;
    } else {
      const what = 'is an argument of from_pretrained that is not built';
      const hint = `Remove it. Built are ${Object.keys(modelKwargs.shape).join(', ')}; trainer.precision stands for dtype.`;
      refuseGiven([{ given: !isHarmless(key, value), path, what, hint }], placeOf);
    }
  }
  return fields;
}

/** Arguments of from_pretrained that change no score. */
function isHarmless(key: string, value: unknown): boolean {
  if (['use_adapter', 'adapter_config', 'pretrained_adapter_name_or_path'].includes(key)) return !value;
  if (['dtype', 'torch_dtype'].includes(key)) return value === null || value === 'float32';
  return ['tokenizer_pattern', 'attn_implementation', 'low_cpu_mem_usage', 'use_safetensors'].includes(key);
}

/** Which label of a classification model gives the score. An unquoted `yes` or `no` is a truth value in YAML. */
export function labelOf(config: Config): number | string | undefined {
  const label = config.model?.init_args.label ?? undefined;
  return typeof label === 'boolean' ? String(label) : label;
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
