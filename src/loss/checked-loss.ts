import { docsPage, RankDistillmError } from '../errors.js';
import type { Loss, LossResult, ScoreMatrix } from './loss.js';

const SHAPE = `compute(scores, targets) returns { value: number, gradient: Float64Array }; ${docsPage('losses')} has an example.`;

/**
 * Wraps a custom loss in checks: it must have `compute`, and each result must have a number and a gradient of the right
 * length. Non-finite values pass, as for built-in losses. The loss receives copies, so that it cannot change the input
 * of other losses.
 *
 * @param place name of the loss in messages
 * @param defaultName used when the loss has no name
 * @throws RankDistillmError `bad_input`
 */
export function checkedLoss(place: string, loss: Partial<Loss>, defaultName: string): Loss {
  if (typeof loss?.compute !== 'function') {
    throw new RankDistillmError('bad_input', `${place}: it has no method "compute"`, { hint: SHAPE });
  }
  const name: unknown = loss.name ?? defaultName;
  if (typeof name !== 'string' || name === '') {
    throw new RankDistillmError('bad_input', `${place}: its "name" is ${JSON.stringify(name)}`, {
      hint: 'Make it a non-empty string, or omit it to use the class name.',
    });
  }
  const compute = loss.compute.bind(loss);
  return {
    name,
    compute(scores, targets) {
      let result: unknown;
      try {
        result = compute(copied(scores), copied(targets));
      } catch (cause) {
        if (cause instanceof RankDistillmError) throw cause;
        const message = cause instanceof Error ? cause.message : String(cause);
        throw new RankDistillmError('bad_input', `${place}: compute failed: ${message}`, {
          hint: 'See the stack of the `cause` of this error.',
          cause,
        });
      }
      return checkResult(place, result, scores);
    },
  };
}

function copied(matrix: ScoreMatrix): ScoreMatrix {
  return { ...matrix, values: matrix.values.slice() };
}

function checkResult(place: string, result: unknown, scores: ScoreMatrix): LossResult {
  const { value, gradient } = (result ?? {}) as Partial<Record<keyof LossResult, unknown>>;
  if (result instanceof Promise) throw wrongResult(place, 'compute returned a promise');
  if (typeof result !== 'object' || result === null) throw wrongResult(place, `compute returned ${String(result)}`);
  if (typeof value !== 'number') throw wrongResult(place, `"value" is ${kindOf(value)}, not a number`);
  if (!(gradient instanceof Float64Array)) {
    throw wrongResult(place, `"gradient" is ${kindOf(gradient)}, not a Float64Array`);
  }
  if (gradient.length !== scores.values.length) {
    const expected = `${scores.values.length} (queries x documents: ${scores.queries} x ${scores.docs})`;
    throw wrongResult(place, `"gradient" has ${gradient.length} numbers, not ${expected}`);
  }
  return { value, gradient };
}

function wrongResult(place: string, what: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${place}: ${what}`, { hint: SHAPE });
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? `a value of ${value.constructor?.name ?? 'no class'}` : `a ${typeof value}`;
}
