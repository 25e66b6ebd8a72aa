import { countRelevant, type MeasureFamily } from './measure.js';

/**
 * Recall: relevant documents among the first k, divided by all relevant documents of the topic. trec_eval's
 * `recall_k`. Range [0, 1].
 *
 * Van Rijsbergen, Information Retrieval, 2nd edition, 1979, chapter 7.
 */
export const recall: MeasureFamily = {
  name: 'R',
  aliases: ['Recall'],
  doc: 'Share of the relevant documents that are among the first k.',
  cutoff: 'required',
  binary: true,
  compute({ retrieved, judged }, { cutoff, rel }) {
    const relevant = countRelevant(judged, rel);
    if (relevant === 0) return 0;
    return retrieved.slice(0, cutoff).filter((grade) => grade !== undefined && grade >= rel).length / relevant;
  },
};
