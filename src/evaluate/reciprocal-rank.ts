import { z } from 'zod';
import { cutoff, judgedOnly, measureFamily, rel } from './measure.js';
import { GDEVAL_ORDER, MS_MARCO_ORDER, TREC_EVAL_ORDER } from './rank-order.js';

/**
 * Reciprocal rank: 1 / rank of the first relevant document, 0 when there is none among the first k. Range [0, 1].
 *
 * Without a cut-off it is trec_eval's `recip_rank`. With one it is MS MARCO's MRR@k: documents of equal score count by
 * ascending docid, the other way round than in trec_eval. ir_measures, lightning-ir and the MS MARCO leader board
 * compute it so, so it is the default; `ties='trec_eval'` takes trec_eval's order.
 *
 * Kantor and Voorhees, The TREC-5 confusion track, Information Retrieval 2000.
 */
export const reciprocalRank = measureFamily({
  name: 'RR',
  aliases: { MRR: {} },
  doc: "1 / rank of the first relevant document. @k orders ties as MS MARCO's script, ties='trec_eval' as trec_eval.",
  forms: ['RR', 'RR@10', "RR(ties='trec_eval')@10"],
  parameters: {
    cutoff: cutoff.optional(),
    rel: rel.default(1),
    judged_only: judgedOnly,
    ties: z.enum(['msmarco', 'trec_eval']).optional(),
  },
  at: 'cutoff',
  order({ cutoff, ties }) {
    const isMsMarco = (ties ?? (cutoff === undefined ? 'trec_eval' : 'msmarco')) === 'msmarco';
    return isMsMarco ? MS_MARCO_ORDER : TREC_EVAL_ORDER;
  },
  compute({ retrieved }, { cutoff, rel }) {
    const first = retrieved.slice(0, cutoff).findIndex((grade) => grade !== undefined && grade >= rel);
    return first < 0 ? 0 : 1 / (first + 1);
  },
});

/** Largest grade that gdeval.pl knows; the chance that a document of it satisfies the reader is 15/16. */
const LARGEST_GRADE = 4;

/**
 * Expected reciprocal rank: the expected 1 / rank at which a reader stops, who goes down the ranking and is satisfied by
 * a document with probability (2^grade - 1) / 16. gdeval.pl of the TREC Web tracks, as ir_measures. Range [0, 1].
 *
 * Chapelle et al., Expected reciprocal rank for graded relevance, CIKM 2009.
 *
 * @throws RangeError for a grade above 4
 */
export const expectedReciprocalRank = measureFamily({
  name: 'ERR',
  doc: 'Expected 1 / rank at which a reader of graded documents (0 to 4) is satisfied.',
  forms: ['ERR@20'],
  parameters: { cutoff },
  at: 'cutoff',
  order: () => GDEVAL_ORDER,
  compute({ retrieved, judged }, { cutoff }) {
    if (judged[0]! > LARGEST_GRADE) throw new RangeError(`ERR knows grades up to ${LARGEST_GRADE}, found ${judged[0]}`);
    let goesOn = 1;
    let sum = 0;
    retrieved.slice(0, cutoff).forEach((grade = 0, i) => {
      const satisfied = (2 ** Math.max(0, grade) - 1) / 2 ** LARGEST_GRADE;
      sum += (goesOn * satisfied) / (i + 1);
      goesOn *= 1 - satisfied;
    });
    return sum;
  },
});
