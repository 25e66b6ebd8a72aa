// A loss of your own: named in a configuration as `class_path: ./configs/examples/my-loss.ts:SquaredError`.
// docs/losses.md says what is expected of it.
import type { Loss, LossResult, ScoreMatrix } from 'rank-distillm';

/** Mean squared error of `scale` times the score against the target: a teacher's scores, learnt one by one. */
export class SquaredError implements Loss {
  readonly name = 'SquaredError'; // the name in logs; may be left out
  readonly scale: number;

  /** `init_args` of the configuration, as they are written there. */
  constructor({ scale = 1 }: { scale?: number } = {}) {
    this.scale = scale;
  }

  compute(scores: ScoreMatrix, targets: ScoreMatrix): LossResult {
    const n = scores.values.length; // queries x documents, query by query
    const errors = scores.values.map((score, i) => this.scale * score - targets.values[i]!);
    const value = errors.reduce((sum, error) => sum + (error * error) / n, 0);
    return { value, gradient: errors.map((error) => (2 * this.scale * error) / n) };
  }
}
