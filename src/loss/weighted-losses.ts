import { SettingError } from '../config/setting-error.js';
import { RankDistillmError } from '../errors.js';
import { checkedLoss } from './checked-loss.js';
import type { Loss, LossResult, ScoreMatrix } from './loss.js';

/** A loss, or a loss and its weight in the sum. */
export type WeightedLoss = Loss | readonly [loss: Loss, weight: number];

/** `value` and `gradient` are of the weighted sum. */
export interface WeightedLossResult extends LossResult {
  /** Each loss by its unique name, unweighted. */
  losses: Record<string, number>;
}

export interface WeightedLosses {
  /** In the given order. Repeated names get a suffix: `RankNet`, `RankNet_2`, `RankNet_3`. */
  readonly names: readonly string[];
  /** Returns non-finite values unchanged, see `findNonFinite`. */
  compute(scores: ScoreMatrix, targets: ScoreMatrix): WeightedLossResult;
}

/**
 * Sums losses: value = Σ weight · value, gradient = Σ weight · gradient.
 *
 * @throws RankDistillmError `bad_input` for an empty list, an invalid loss or a non-finite weight; `compute` throws the
 * errors of the losses, and rejects a result that has no number or a gradient of the wrong length
 */
export function weightedLosses(losses: readonly WeightedLoss[]): WeightedLosses {
  if (losses.length === 0) {
    throw new SettingError(['losses'], 'the list is empty, so there is nothing to train', {
      hint: 'Add a loss, for example RankNet.',
    });
  }
  const pairs = losses.map((entry, i) => {
    const [loss, weight] = isPair(entry) ? entry : ([entry, 1] as const);
    return { loss: checkedLoss(`losses.${i}`, loss, loss?.constructor?.name), weight };
  });
  const names = uniqueNames(pairs.map(({ loss }) => loss.name));
  const terms = pairs.map((pair, i) => ({ ...pair, name: names[i]! }));
  for (const { name, weight } of terms) {
    if (Number.isFinite(weight)) continue;
    throw new RankDistillmError('bad_input', `losses: the weight of ${name} is ${weight}`, {
      hint: 'Use a finite number as the weight.',
    });
  }
  return {
    names,
    compute(scores, targets) {
      const total: WeightedLossResult = { value: 0, gradient: new Float64Array(scores.values.length), losses: {} };
      for (const { loss, weight, name } of terms) {
        const { value, gradient } = loss.compute(scores, targets);
        total.losses[name] = value;
        total.value += weight * value;
        for (let i = 0; i < gradient.length; i++) total.gradient[i]! += weight * gradient[i]!;
      }
      return total;
    },
  };
}

function isPair(entry: WeightedLoss): entry is readonly [Loss, number] {
  return Array.isArray(entry);
}

/** Reserves `loss`, the name of the weighted sum in logs. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(['loss']);
  return names.map((name) => {
    let unique = name;
    for (let n = 2; taken.has(unique); n++) unique = `${name}_${n}`;
    taken.add(unique);
    return unique;
  });
}
