import type { MeasureFamily } from './measure.js';

/**
 * Precision: relevant documents among the first k, divided by k, even if fewer than k were retrieved.
 * trec_eval's `P_k`. Range [0, 1].
 *
 * Van Rijsbergen, Information Retrieval, 2nd edition, 1979, chapter 7.
 */
export const precision: MeasureFamily = {
  name: 'P',
  aliases: ['Precision'],
  doc: 'Share of the first k documents that are relevant.',
  cutoff: 'required',
  binary: true,
  compute({ retrieved }, { cutoff, rel }) {
    const hits = retrieved.slice(0, cutoff).filter((grade) => grade !== undefined && grade >= rel).length;
    return hits / cutoff;
  },
};
