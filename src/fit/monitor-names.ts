import type { FitOptions } from './fit-options.js';

const SUFFIX = /^(.*)\/dataloader_idx_(\d+)$/;

/**
 * A logged name as it is here: of several validation datasets Lightning's names end in `/dataloader_idx_N`, N being the
 * dataset's place; here its own name in front does.
 *
 * @param datasets names of the validation datasets, in their order
 */
export function plainName(name: string, datasets: readonly string[]): string {
  const [, plain = '', place] = SUFFIX.exec(name) ?? [];
  const dataset = datasets.length > 1 ? datasets[Number(place)] : undefined;
  return dataset !== undefined && plain.startsWith(`${dataset}/`) ? plain : name;
}

/** Options whose callbacks watch, and name checkpoints by, plain names. */
export function withPlainNames(options: FitSettings, datasets: readonly string[]): FitSettings {
  const plain = (name: string): string => plainName(name, datasets);
  for (const checkpoint of options.checkpoints ?? []) {
    checkpoint.monitor = checkpoint.monitor && plain(checkpoint.monitor);
    checkpoint.filename = checkpoint.filename && checkpoint.filename.replace(/(?<=\{)[^{}:]+/g, plain);
  }
  for (const stopping of options.earlyStopping) stopping.monitor = plain(stopping.monitor);
  return options;
}
