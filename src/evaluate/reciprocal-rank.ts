import type { MeasureFamily } from './measure.js';

/**
 * Reciprocal rank: 1 / rank of the first relevant document, 0 when there is none among the first k. trec_eval's
 * `recip_rank`. Range [0, 1].
 *
 * With a cut-off, ir_measures uses MS MARCO's script, which breaks ties by ascending docid; here ties are broken as in
 * trec_eval with and without a cut-off.
 *
 * Kantor and Voorhees, The TREC-5 confusion track, Information Retrieval 2000.
 */
export const reciprocalRank: MeasureFamily = {
  name: 'RR',
  aliases: ['MRR'],
  doc: '1 / rank of the first relevant document.',
  cutoff: 'optional',
  binary: true,
  compute({ retrieved }, { cutoff, rel }) {
    const first = retrieved.findIndex((grade) => grade !== undefined && grade >= rel);
    return first < 0 || first >= cutoff ? 0 : 1 / (first + 1);
  },
};
