import type { CancelToken, NativeModel, PackedBatch, ScoreResult } from '../../binding.js';
import { SettingError } from '../config/setting-error.js';
import { badArgument, docsPage } from '../errors.js';
import { listDevices } from '../io/load-binding.js';
import { chooseDevice } from './device.js';

/**
 * The names of several devices.
 *
 * @param asked a number of GPUs, or names
 * @throws SettingError `bad_input` for names that are doubled or not GPUs, `unsupported` where there are not so many
 */
export function chooseDevices(asked: number | readonly string[]): string[] {
  if (typeof asked !== 'number') {
    const names = asked.map((name, i) => chooseDevice(name, ['devices', i], listDevices));
    if (names.length > 1 && (names.includes('cpu') || new Set(names).size < names.length)) {
      throw badArgument('devices', 'different GPUs', asked, 'One model on the CPU uses all cores already.');
    }
    return names;
  }
  if (asked === 1) return [chooseDevice('auto', ['devices'], listDevices)];
  const gpus = listDevices('auto').filter((name) => name !== 'cpu');
  if (gpus.length >= asked) return gpus.slice(0, asked);
  const found = gpus.length === 0 ? 'no GPU was found' : `found: ${gpus.join(', ')}`;
  throw new SettingError(['devices'], `there are no ${asked} GPUs; ${found}`, {
    hint: `Leave devices out: one model on the CPU uses all cores already. Several processes: ${docsPage('distributed')}.`,
    code: 'unsupported',
  });
}

/** Loads a model on several devices at once; if one of them fails, the others are closed. */
export async function loadOnEach<T>(
  engines: readonly T[],
  load: (engine: T) => Promise<NativeModel>,
): Promise<NativeModel> {
  const loaded = await Promise.allSettled(engines.map(load));
  const models = loaded.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = loaded.find((each) => each.status === 'rejected');
  if (failed) {
    await Promise.all(models.map((model) => model.close()));
    throw failed.reason as Error;
  }
  return models.length === 1 ? models[0]! : new ModelOnDevices(models);
}

/** The same model on several devices. Each batch goes to the device that has the fewest tokens to score. */
class ModelOnDevices implements NativeModel {
  readonly #models: readonly NativeModel[];
  /** Tokens of unfinished batches, by model. */
  readonly #waiting: number[];

  /** @param models at least one, of the same weights */
  constructor(models: readonly NativeModel[]) {
    this.#models = models;
    this.#waiting = models.map(() => 0);
  }

  get precision(): NativeModel['precision'] {
    return this.#models[0]!.precision;
  }

  get weightBytes(): number {
    return this.#models.reduce((sum, { weightBytes }) => sum + weightBytes, 0);
  }

  get windowTokens(): number {
    return Math.min(...this.#models.map(({ windowTokens }) => windowTokens));
  }

  async score(batch: PackedBatch, cancel?: CancelToken): Promise<ScoreResult> {
    const least = this.#waiting.indexOf(Math.min(...this.#waiting));
    const tokens = batch.inputIds.length;
    this.#waiting[least]! += tokens;
    try {
      return await this.#models[least]!.score(batch, cancel);
    } finally {
      this.#waiting[least]! -= tokens;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#models.map((model) => model.close()));
  }
}
