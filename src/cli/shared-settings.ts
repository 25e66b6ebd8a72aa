import { stat } from 'node:fs/promises';
import type { LoadedConfig } from '../config/load-config.js';
import { optionsFrom, type Verb } from '../config/read-settings.js';
import { monoOptions } from '../config/schema/model.js';
import type { Config } from '../config/schema/schema.js';
import { aboutSetting, settingError, SettingError, type SettingPath } from '../config/setting-error.js';
import { DATASET_PARTS, DatasetRegistry, type DatasetParts } from '../data/registry.js';
import { listDevices } from '../io/load-binding.js';
import { holdInputs } from '../io/inputs.js';
import { isRemoteName } from '../fetch/remote-files.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import type { MonoOverrides } from '../models/load-checkpoint.js';
import { note, type CliIo } from './cli-io.js';

// What fit and re_rank take from a configuration alike.

/** The fields of `model.config`, and those of `model.model_kwargs`, which replace them; both replace the model's. */
export function monoOverrides(config: Config): MonoOverrides {
  const { config: settings, model_kwargs: kwargs } = config.model!.init_args;
  return optionsFrom(monoOptions, { ...settings?.init_args, ...kwargs });
}

/** Which label of a classification model gives the score. An unquoted `yes` or `no` is a truth value in YAML. */
export function labelOf(config: Config): number | string | undefined {
  const label = config.model?.init_args.label ?? undefined;
  return typeof label === 'boolean' ? String(label) : label;
}

/**
 * Names of measures as ir_measures prints them, each once. `loss`, lightning-ir's name for the validation loss, stays
 * `loss`.
 */
export function measureNames(config: Config): string[] {
  const path = ['model', 'init_args', 'evaluation_metrics'];
  const written = config.model?.init_args.evaluation_metrics ?? [];
  const names = written.map((name, index) =>
    name === 'loss' ? name : aboutSetting([...path, index], () => parseMeasure(name).name),
  );
  return [...new Set(names)];
}

/** The section `datasets` and the callbacks that register datasets. */
export function registryOf(config: Config): DatasetRegistry {
  const registry = new DatasetRegistry();
  const register = (id: string, files: Config['datasets'][string]): void => {
    const parts: DatasetParts = {};
    for (const part of DATASET_PARTS) if (files[part] !== null) parts[part] = files[part];
    registry.register(id, parts);
  };
  for (const [id, files] of Object.entries(config.datasets)) register(id, files);
  for (const [index, callback] of (config.trainer.callbacks ?? []).entries()) {
    if (callback.class_path !== 'RegisterLocalDatasetCallback') continue;
    const { dataset_id: id, ...files } = callback.init_args;
    if (registry.ids().includes(id)) {
      throw new SettingError(['trainer', 'callbacks', index], `the dataset "${id}" is registered twice`, {
        hint: 'Keep one RegisterLocalDatasetCallback or one entry of datasets for each id.',
      });
    }
    register(id, files);
  }
  return registry;
}

/** A wrong path is the commonest mistake, so it is found first, and its error says where the path was written. */
export async function assertSourcesExist({ data }: Config, registry: DatasetRegistry, verb: Verb): Promise<void> {
  const { inference_datasets: inference = null, train_dataset: training = null } = data?.init_args ?? {};
  const listed = (inference ?? []).map(({ init_args }, i) => [init_args, ['inference_datasets', i]] as const);
  const train = verb === 'fit' && training ? [[training.init_args, ['train_dataset']] as const] : [];
  for (const [args, place] of [...train, ...listed]) {
    const path = ['data', 'init_args', ...place, 'init_args'];
    if ('tuples_dataset' in args) {
      const { tuples_dataset: id } = args;
      if (registry.find(id)) continue;
      throw settingError([...path, 'tuples_dataset'], registry.unknownId(id, id));
    }
    const named = args.run_path_or_id;
    const found = await stat(named).then(
      (entry) => (entry.isDirectory() ? 'folder' : 'file'),
      () => 'nothing',
    );
    if (found === 'file' || isRemoteName(named) || registry.find(named)) continue;
    const ids = registry.ids();
    const problem = found === 'folder' ? 'is a folder, not a run file' : 'no such run file, nor a dataset of this id';
    throw new SettingError([...path, 'run_path_or_id'], `${named}: ${problem}`, {
      code: 'not_found',
      hint:
        'Check the path; relative paths start from the current working directory. ' +
        (ids.length === 0 ? 'No dataset is registered.' : `Registered datasets: ${ids.join(', ')}.`) +
        ' `rank-distillm datasets list` shows the public ones.',
    });
  }
}

/**
 * Does the work of a verb, which writes over no file of the configuration; an error about an option is worded for the
 * person who wrote it.
 *
 * @param pathOf where the configuration has an option
 */
export async function wordedFor<T>(
  { placeOf, files }: LoadedConfig,
  pathOf: (path: SettingPath) => SettingPath,
  work: () => Promise<T>,
): Promise<T> {
  using _inputs = holdInputs(files);
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    const path = pathOf(error.path);
    throw error.worded(`${placeOf(path)}: ${path.join('.')}`);
  }
}

const INDEXING_NOTE_MS = 5_000;

/** A large collection is indexed for minutes the first time; silence would look like a hang. */
export function indexingNotes(io: CliIo): (documents: number) => void {
  let shownAt = performance.now();
  return (documents) => {
    if (performance.now() - shownAt < INDEXING_NOTE_MS) return;
    shownAt = performance.now();
    note(io, `indexing the collection, ${documents} documents so far (kept for the next time)`);
  };
}

/**
 * `trainer.accelerator` and `trainer.devices` as the engine's device: Lightning counts devices by a number, and names
 * them in a list or in text with a comma.
 *
 * @param localRank number among the ranks of this host, each of which has one device
 * @throws SettingError
 */
export function deviceOf({ accelerator, devices }: Config['trainer'], localRank?: number): string {
  if (!['auto', 'cpu', 'gpu', 'cuda'].includes(accelerator)) {
    const what = `"${accelerator}" is not supported; the engine computes on CPUs and on NVIDIA GPUs`;
    const hint = 'Set trainer.accelerator to auto, cpu or gpu.';
    throw new SettingError(['trainer', 'accelerator'], what, { hint, code: 'unsupported' });
  }
  const named = namedDevices(devices);
  if (accelerator === 'cpu') return 'cpu';
  const index = Array.isArray(named) ? named[localRank ?? 0] : localRank;
  if (index === undefined) return accelerator === 'auto' ? 'auto' : 'cuda';
  // by count, `auto` is the CPU where there is no GPU
  const isSure = accelerator !== 'auto' || Array.isArray(named) || listDevices('auto').length > 1;
  return isSure ? `cuda:${index}` : 'cpu';
}

/** The key that chose the device. */
export function devicePath({ devices }: Config['trainer']): string[] {
  return ['trainer', Array.isArray(namedDevices(devices)) ? 'devices' : 'accelerator'];
}

/**
 * Numbers of GPUs, or a count of GPUs or of processes on the CPU.
 *
 * @throws SettingError
 */
export function namedDevices(devices: number | string | number[]): number[] | number | 'auto' | 'all' {
  const path = ['trainer', 'devices'];
  const text = String(devices).trim();
  const listed = Array.isArray(devices)
    ? devices
    : text.includes(',') && /^\d+(?:\s*,\s*\d+)*,?$/.test(text)
      ? text.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]))
      : undefined;
  if (listed !== undefined) {
    if (listed.length > 0 && new Set(listed).size === listed.length) return listed;
    throw new SettingError(path, listed.length === 0 ? 'the list is empty' : 'a GPU is listed twice', {
      hint: 'List each GPU once, as in [0, 1].',
    });
  }
  if (text === 'auto') return 'auto';
  if (text === '-1') return 'all';
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new SettingError(path, `expected auto, -1, a count or a list of GPUs, received "${text}"`, {
    hint: 'Write 2 for two processes or GPUs, [1] for the second GPU, -1 for all GPUs.',
  });
}
