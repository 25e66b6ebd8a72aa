import { RankDistillmError } from '../errors.js';
import { checkedLoss } from './checked-loss.js';
import type { Loss, LossResult, ScoreMatrix } from './loss.js';

/** A loss, or a loss and what its value is multiplied by in the sum. */
export type WeightedLoss = Loss | readonly [loss: Loss, weight: number];

/** `value` and `gradient` are those of the weighted sum. */
export interface WeightedLossResult extends LossResult {
  /** Each loss by its unique name, unweighted. */
  losses: Record<string, number>;
}

export interface WeightedLosses {
  /** In the order given. Of several losses of a name the second is called `RankNet_2`, the third `RankNet_3`. */
  readonly names: readonly string[];
  /** Values that are not finite are returned as they are: see `findNonFinite`. */
  compute(scores: ScoreMatrix, targets: ScoreMatrix): WeightedLossResult;
}

/**
 * Sums losses: value = Σ weight · value, gradient = Σ weight · gradient.
 *
 * @throws RankDistillmError `bad_input` when there is no loss, one is none or a weight is not finite; `compute` throws
 * what the losses throw, and where one returns no number or a gradient of another length
 */
export function weightedLosses(losses: readonly WeightedLoss[]): WeightedLosses {
  if (losses.length === 0) {
    throw new RankDistillmError('bad_input', 'losses: there is nothing to learn from, the list is empty', {
      hint: 'Name a loss, for example RankNet below model.init_args.loss_functions.',
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
      hint: 'A weight is a finite number.',
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

/** `loss` is what the sum is logged as. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(['loss']);
  return names.map((name) => {
    let unique = name;
    for (let n = 2; taken.has(unique); n++) unique = `${name}_${n}`;
    taken.add(unique);
    return unique;
  });
}
