// A custom loss. Use it in a configuration as `class_path: ./configs/examples/my-loss.ts:SquaredError`.
// docs/losses.md says what a loss must do.
import type { Loss, LossResult, ScoreMatrix } from 'rank-distillm';

/** Mean squared error of `scale` times the score against the target: learns a teacher's scores one by one. */
export class SquaredError implements Loss {
  readonly name = 'SquaredError'; // the name in logs; optional
  readonly scale: number;

  /** `init_args` of the configuration, unchanged. */
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
