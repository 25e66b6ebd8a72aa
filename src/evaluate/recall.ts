import { countRelevant, cutoff, judgedOnly, measureFamily, rel } from './measure.js';

/**
 * Recall: relevant documents among the first k, divided by all relevant documents of the topic. trec_eval's
 * `recall_k`. Range [0, 1].
 *
 * Van Rijsbergen, Information Retrieval, 2nd edition, 1979, chapter 7.
 */
export const recall = measureFamily({
  name: 'R',
  aliases: { Recall: {} },
  doc: 'Share of the relevant documents that are among the first k.',
  forms: ['R@100', 'R(rel=2)@100'],
  parameters: { cutoff, rel: rel.default(1), judged_only: judgedOnly },
  at: 'cutoff',
  compute({ retrieved, judged }, { cutoff, rel }) {
    const relevant = countRelevant(judged, rel);
    return relevant === 0 ? 0 : countRelevant(retrieved.slice(0, cutoff), rel) / relevant;
  },
});

/** 1 where a relevant document is among the first k, else 0. trec_eval's `success_k`. */
export const success = measureFamily({
  name: 'Success',
  doc: '1 where a relevant document is among the first k.',
  forms: ['Success@10', 'Success(rel=2)@10'],
  parameters: { cutoff, rel: rel.default(1), judged_only: judgedOnly },
  at: 'cutoff',
  compute: ({ retrieved }, { cutoff, rel }) => (countRelevant(retrieved.slice(0, cutoff), rel) > 0 ? 1 : 0),
});
