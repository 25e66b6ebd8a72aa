import { nearestHint } from '../config/nearest.js';
import { SettingError } from '../config/setting-error.js';
import type { FitSettings } from './fit-options.js';

const SUFFIX = /^(.*)\/dataloader_idx_(\d+)$/;

/**
 * Converts a metric name of Lightning to ours. With several validation datasets Lightning appends `/dataloader_idx_N`,
 * N being the index of the dataset; we do not, because the name of the dataset is already the prefix.
 *
 * @param datasets names of the validation datasets, in their order
 */
export function plainName(name: string, datasets: readonly string[]): string {
  const [, plain = '', place] = SUFFIX.exec(name) ?? [];
  const dataset = datasets.length > 1 ? datasets[Number(place)] : undefined;
  return dataset !== undefined && plain.startsWith(`${dataset}/`) ? plain : name;
}

/** Converts the metric names in the options of the callbacks with `plainName`. */
export function withPlainNames(options: FitSettings, datasets: readonly string[]): FitSettings {
  const plain = (name: string): string => plainName(name, datasets);
  for (const checkpoint of options.checkpoints ?? []) {
    checkpoint.monitor = checkpoint.monitor && plain(checkpoint.monitor);
    checkpoint.filename = checkpoint.filename && checkpoint.filename.replace(/(?<=\{)[^{}:]+/g, plain);
  }
  for (const stopping of options.earlyStopping) stopping.monitor = plain(stopping.monitor);
  return options;
}

/**
 * Checks that every monitored name is logged: otherwise a misspelling would show only at the first validation.
 *
 * @returns the monitored names
 */
export function checkMonitors({ checkpoints = [], earlyStopping }: FitSettings, logged: readonly string[]): string[] {
  const known = ['loss', ...logged, 'epoch', 'step'];
  const watched = [
    ...checkpoints.map(({ monitor }, i) => ({ monitor, path: ['checkpoints', i, 'monitor'] })),
    ...earlyStopping.map(({ monitor }, i) => ({ monitor, path: ['early_stopping', i, 'monitor'] })),
  ];
  for (const { monitor, path } of watched) {
    if (monitor === null || known.includes(monitor)) continue;
    throw new SettingError(path, `"${monitor}" is not logged; logged are ${known.join(', ')}`, {
      hint: nearestHint(monitor, known, 'name'),
    });
  }
  return watched.flatMap(({ monitor }) => monitor ?? []);
}
