import { RankDistillmError } from '../errors.js';
import type { ScoreMatrix } from './loss.js';

/**
 * Refuses what would give a loss that looks right and is not: targets of another shape, or targets that are no number.
 * Scores are not looked at; a score that is not finite makes a value that is not finite, which is the caller's to find.
 *
 * @throws RankDistillmError `bad_input`, with the loss, the query and the document (counted from 0 within the batch)
 */
export function checkBatch(loss: string, scores: ScoreMatrix, targets: ScoreMatrix): void {
  const { queries, docs } = scores;
  if (targets.queries !== queries || targets.docs !== docs || targets.values.length !== scores.values.length) {
    throw new RankDistillmError(
      'bad_input',
      `${loss}: scores of ${queries} x ${docs} need as many targets, received ${targets.queries} x ${targets.docs}`,
      { hint: 'Give one target for each score, query by query.' },
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
