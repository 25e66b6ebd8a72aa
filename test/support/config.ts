import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Verb } from '../../src/config/read-settings.js';
import { loadConfig, type ConfigSource, type LoadedConfig } from '../../src/config/load-config.js';
import { RankDistillmError } from '../../src/errors.js';
import { inFolder } from './files.js';

/** Loads YAML texts, given as files `0.yaml`, `1.yaml` …, and then overrides `['--key', 'value']`. */
export function load(texts: string[], overrides: [string, string][] = [], verb?: Verb): Promise<LoadedConfig> {
  return inFolder(async (folder) => {
    const sources: ConfigSource[] = [];
    for (const [index, text] of texts.entries()) {
      const path = join(folder, `${index}.yaml`);
      await writeFile(path, text);
      sources.push({ kind: 'file', path });
    }
    for (const [option, text] of overrides) sources.push({ kind: 'override', option, text });
    return await loadConfig(sources, verb);
  });
}

/** The error of a load that must fail, its paths cut to file names. */
export async function failure(texts: string[], overrides: [string, string][] = []) {
  try {
    await load(texts, overrides);
  } catch (error) {
    if (!(error instanceof RankDistillmError)) throw error;
    return { code: error.code, message: error.message.replace(/\S*\/(\d\.yaml)/, '$1'), hint: error.hint };
  }
  throw new Error('the configuration was accepted');
}

type Datasets = NonNullable<NonNullable<LoadedConfig['config']['data']>['init_args']['inference_datasets']>;

/** Arguments of a dataset, which must be a run. */
export function runArguments(dataset: Datasets[number] | undefined) {
  if (dataset?.class_path !== 'RunDataset') throw new Error('not a RunDataset');
  return dataset.init_args;
}
