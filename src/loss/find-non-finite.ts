import type { ScoreMatrix } from './loss.js';
import type { WeightedLossResult } from './weighted-losses.js';

export interface NonFinite {
  /** Kind of the value: `score`, `gradient` or the name of a loss. */
  what: string;
  value: number;
  /** Indices within the batch; undefined for the value of a loss. */
  query: number | undefined;
  doc: number | undefined;
}

/**
 * Finds the first non-finite value of a batch: in the scores, then in the losses, then in the gradient. This order
 * reports the cause rather than its consequences. Undefined when all values are finite.
 */
export function findNonFinite(scores: ScoreMatrix, result: WeightedLossResult): NonFinite | undefined {
  return (
    inMatrix('score', scores.values, scores.docs) ??
    inValues({ ...result.losses, loss: result.value }) ??
    inMatrix('gradient', result.gradient, scores.docs)
  );
}

function inMatrix(what: string, values: Float64Array, docs: number): NonFinite | undefined {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return undefined;
  return { what, value: values[at]!, query: Math.floor(at / docs), doc: at % docs };
}

function inValues(values: Readonly<Record<string, number>>): NonFinite | undefined {
  const found = Object.entries(values).find(([, value]) => !Number.isFinite(value));
  return found && { what: found[0], value: found[1], query: undefined, doc: undefined };
}
