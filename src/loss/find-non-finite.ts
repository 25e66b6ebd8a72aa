import type { ScoreMatrix } from './loss.js';
import type { WeightedLossResult } from './weighted-losses.js';

export interface NonFinite {
  /** What is not finite: `score`, `gradient`, or the name of the loss. */
  what: string;
  value: number;
  /** Indices within the batch; undefined where it is the value of a loss, which has no place. */
  query: number | undefined;
  doc: number | undefined;
}

/**
 * The first thing of a batch that is not finite, nearest to the cause first: scores, then the losses in their order,
 * then the gradient. Undefined when all is well.
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
