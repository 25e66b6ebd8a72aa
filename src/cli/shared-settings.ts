import { optionsFrom } from '../config/read-settings.js';
import { monoOptions } from '../config/schema/model.js';
import type { Config } from '../config/schema/schema.js';
import { aboutSetting, SettingError } from '../config/setting-error.js';
import { DATASET_PARTS, DatasetRegistry, type DatasetParts } from '../data/registry.js';
import { parseMeasure } from '../evaluate/parse-measure.js';
import type { MonoOverrides } from '../models/load-checkpoint.js';

// What fit and re_rank take from a configuration alike.

/** The fields of `model.config`, which replace those of the model. */
export function monoOverrides(config: Config): MonoOverrides {
  const settings = config.model?.init_args.config?.init_args;
  return settings ? optionsFrom(monoOptions, settings) : {};
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

/**
 * `trainer.accelerator` and `trainer.devices` as the engine's device: Lightning counts devices by a number, and names
 * them in a list or in text with a comma.
 *
 * @throws SettingError
 */
export function deviceOf({ accelerator, devices }: Config['trainer']): string {
  if (!['auto', 'cpu', 'gpu', 'cuda'].includes(accelerator)) {
    const what = `"${accelerator}" is not supported; the engine computes on CPUs and on NVIDIA GPUs`;
    const hint = 'Set trainer.accelerator to auto, cpu or gpu.';
    throw new SettingError(['trainer', 'accelerator'], what, { hint, code: 'unsupported' });
  }
  const named = namedDevices(devices);
  if (named === undefined || named.length > 1) {
    throw new SettingError(['trainer', 'devices'], 'this release computes on one device', {
      code: 'unsupported',
      hint: 'Set trainer.devices to auto, to 1 or to the number of one GPU in a list; trainer.threads sets how many cores are used.',
    });
  }
  const [index] = named;
  if (accelerator === 'cpu') return 'cpu';
  if (index !== undefined) return `cuda:${index}`;
  return accelerator === 'auto' ? 'auto' : 'cuda';
}

/** The key that chose the device. */
export function devicePath({ devices }: Config['trainer']): string[] {
  return ['trainer', namedDevices(devices)?.[0] === undefined ? 'accelerator' : 'devices'];
}

/** Numbers of GPUs; [undefined] for one of the engine's choice; undefined for another count. */
function namedDevices(devices: number | string | number[]): (number | undefined)[] | undefined {
  if (Array.isArray(devices)) return devices;
  const text = String(devices).trim();
  if (/^\d+(?:\s*,\s*\d+)*,?$/.test(text) && text.includes(',')) {
    return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  }
  // -1: all of them, which is one on most machines; the summary shows which is used
  return ['auto', '1', '-1'].includes(text) ? [undefined] : undefined;
}
