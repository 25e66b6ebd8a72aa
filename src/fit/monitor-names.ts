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
export function withPlainNames(options: FitOptions, datasets: readonly string[]): FitOptions {
  const { checkpoints, earlyStopping } = options;
  return {
    ...options,
    checkpoints: checkpoints?.map(({ monitor, filename, ...rest }) => ({
      ...rest,
      monitor: monitor && plainName(monitor, datasets),
      filename: filename?.replace(/(?<=\{)[^{}:]+/g, (name) => plainName(name, datasets)),
    })),
    earlyStopping: earlyStopping?.map((stopping) => ({ ...stopping, monitor: plainName(stopping.monitor, datasets) })),
  };
}

/** What callbacks watch. */
export function watchedBy({ checkpoints = [], earlyStopping = [] }: FitOptions): string[] {
  return [...checkpoints, ...earlyStopping].flatMap(({ monitor }) => monitor ?? []);
}
