import * as assert from 'uvu/assert';
import type { Loss, LossResult, ScoreMatrix } from '../../src/loss/loss.js';

export function matrix(rows: readonly (readonly number[])[]): ScoreMatrix {
  return { queries: rows.length, docs: rows[0]?.length ?? 0, values: Float64Array.from(rows.flat()) };
}

/** |found − expected| ≤ relative · |expected| + absolute for every number; NaN fails. */
export function assertAllClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: { relative: number; absolute: number },
  where: string,
): void {
  assert.is(found.length, expected.length, where);
  for (let i = 0; i < expected.length; i++) {
    const allowed = tolerance.relative * Math.abs(expected[i]!) + tolerance.absolute;
    const close = Math.abs(found[i]! - expected[i]!) <= allowed;
    assert.ok(close, `${where}, ${i}: expected ${expected[i]}, found ${found[i]}`);
  }
}

/** One-sided difference quotients of a loss with respect to every score: [queries · docs]. */
export function differences(loss: Loss, scores: ScoreMatrix, targets: ScoreMatrix, step: number): Float64Array {
  const { value } = loss.compute(scores, targets);
  return scores.values.map((_, i) => (shifted(loss, scores, targets, i, step).value - value) / step);
}

/** Central difference quotients, whose error falls with the square of the step. */
export function centralDifferences(loss: Loss, scores: ScoreMatrix, targets: ScoreMatrix, step = 1e-5): Float64Array {
  return scores.values.map((_, i) => {
    const [up, down] = [step, -step].map((by) => shifted(loss, scores, targets, i, by).value) as [number, number];
    return (up - down) / (2 * step);
  });
}

function shifted(loss: Loss, scores: ScoreMatrix, targets: ScoreMatrix, at: number, by: number): LossResult {
  const values = Float64Array.from(scores.values);
  values[at]! += by;
  return loss.compute({ ...scores, values }, targets);
}
