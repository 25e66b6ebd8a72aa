import type { Config } from '../../config/schema/schema.js';
import { RankDistillmError } from '../../errors.js';
import type { PlaceOf } from '../config-plan.js';

/** One of `model.loss_functions`. */
export interface LossSettings {
  /** A class of lightning-ir, or `./my-loss.ts:MyLoss`. */
  classPath: string;
  initArgs: Readonly<Record<string, unknown>>;
  weight: number;
  /** Where it was written, with its key. */
  place: string;
}

const PATH = ['model', 'init_args', 'loss_functions'];

export function lossesOf(config: Config, placeOf: PlaceOf): LossSettings[] {
  const written = config.model?.init_args.loss_functions ?? [];
  if (written.length === 0) {
    throw new RankDistillmError('bad_input', `${placeOf(PATH)}: ${PATH.join('.')}: no loss is named`, {
      hint: 'Add at least one, for example "loss_functions: [RankNet]".',
    });
  }
  return written.map((entry, index) => {
    const [loss, weight] = Array.isArray(entry) ? entry : ([entry, 1] as const);
    const path = [...PATH, index];
    return {
      classPath: loss.class_path,
      initArgs: loss.init_args,
      weight,
      place: `${placeOf(path)}: ${path.join('.')}`,
    };
  });
}
