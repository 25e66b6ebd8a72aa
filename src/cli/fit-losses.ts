import { isOwnClass } from '../config/schema/fields.js';
import { RankDistillmError } from '../errors.js';
import { createLoss } from '../loss/create-loss.js';
import { loadUserLoss } from '../loss/load-user-loss.js';
import type { WeightedLoss } from '../loss/weighted-losses.js';
import type { LossSettings } from './fit-plan/losses.js';

/** The losses of a plan; those of the user's own are loaded from their modules. */
export async function loadLosses(settings: readonly LossSettings[]): Promise<WeightedLoss[]> {
  const losses: WeightedLoss[] = [];
  for (const { classPath, initArgs, weight, place } of settings) {
    try {
      const loss = isOwnClass(classPath) ? await loadUserLoss(classPath, initArgs) : createLoss(classPath, initArgs);
      losses.push([loss, weight]);
    } catch (error) {
      if (!(error instanceof RankDistillmError)) throw error;
      throw new RankDistillmError(error.code, `${place}: ${error.message}`, {
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      });
    }
  }
  return losses;
}
