import { RankDistillmError } from '../errors.js';
import type { ScoreMatrix } from './loss.js';

/**
 * Rejects targets of the wrong shape and non-finite targets, which could give a plausible but wrong loss. It does not
 * check the scores: a non-finite score gives a non-finite loss, which the caller detects.
 *
 * @throws RankDistillmError `bad_input` that names the loss, the query and the document (0-based within the batch)
 */
export function checkBatch(loss: string, scores: ScoreMatrix, targets: ScoreMatrix): void {
  const { queries, docs } = scores;
  if (targets.queries !== queries || targets.docs !== docs || targets.values.length !== scores.values.length) {
    throw new RankDistillmError(
      'bad_input',
      `${loss}: scores of ${queries} x ${docs} need as many targets, received ${targets.queries} x ${targets.docs}`,
      { hint: 'Pass one target for each score, query by query.' },
    );
  }
  const wrong = targets.values.findIndex((target) => !Number.isFinite(target));
  if (wrong >= 0) {
    const place = `query ${Math.floor(wrong / docs)} of the batch, document ${wrong % docs}`;
    throw new RankDistillmError('bad_input', `${loss}: the target of ${place} is ${targets.values[wrong]}`, {
      hint: 'Every document of a list needs a finite target: look for lines without a score in the run.',
    });
  }
}
