import { RankDistillmError } from '../errors.js';
import type { NonFinite } from '../loss/find-non-finite.js';
import type { BatchSample } from './trainer.js';

const HINT =
  'Lower the learning rate, warm up, or clip gradients (trainer.gradient_clip_val), or set trainer.non_finite: skip to ' +
  'skip and count such steps.';
/** Keeps messages short. */
const IDS_SHOWN = 8;

/** Error for a NaN or infinite loss, score or gradient. Names the step and, if known, the query and document. */
export function nonFiniteError(
  step: number,
  samples: readonly BatchSample[],
  { what, value, query, doc }: NonFinite,
): RankDistillmError {
  const sample = query === undefined ? undefined : samples[query];
  const place =
    sample === undefined ? queriesOf(samples) : `query '${sample.queryId}', document '${sample.docIds[doc ?? 0]}'`;
  return new RankDistillmError('bad_input', `step ${step + 1}: the ${what} is ${value} (${place})`, { hint: HINT });
}

/** Error for a NaN or infinite gradient norm when scores and losses are finite. */
export function gradientOverflow(step: number, samples: readonly BatchSample[], norm: number): RankDistillmError {
  const message = `step ${step + 1}: the norm of the gradient is ${norm} (${queriesOf(samples)})`;
  return new RankDistillmError('bad_input', message, { hint: HINT });
}

function queriesOf(samples: readonly BatchSample[]): string {
  const shown = samples.slice(0, IDS_SHOWN).map(({ queryId }) => `'${queryId}'`);
  const more = samples.length > shown.length ? ` and ${samples.length - shown.length} more` : '';
  const documents = [...new Set(samples.flatMap(({ docIds }) => docIds))];
  const someDocuments = documents.slice(0, IDS_SHOWN).map((id) => `'${id}'`);
  const moreDocuments = documents.length > IDS_SHOWN ? ` and ${documents.length - IDS_SHOWN} more` : '';
  return `queries ${shown.join(', ')}${more}; documents ${someDocuments.join(', ')}${moreDocuments}`;
}
