import { countRelevant, cutoff, measureFamily, rel } from './measure.js';
import { MS_MARCO_ORDER } from './rank-order.js';

/** Number of retrieved documents, or of those with a grade of at least `rel`; the sum over the topics. */
export const retrievedDocuments = measureFamily({
  name: 'NumRet',
  aliases: { NumRelRet: { rel: 1 } },
  doc: 'Number of retrieved documents, with rel= of the relevant ones; a sum over the topics.',
  forms: ['NumRet', 'NumRet(rel=2)'],
  parameters: { rel: rel.optional() },
  isTotal: true,
  compute: ({ retrieved }, { rel }) => (rel === undefined ? retrieved.length : countRelevant(retrieved, rel)),
});

/** Number of relevant documents of the topics that the run has; a sum over them. */
export const relevantDocuments = measureFamily({
  name: 'NumRel',
  doc: 'Number of relevant documents of the topics in the run; a sum over them.',
  forms: ['NumRel', 'NumRel(rel=2)'],
  parameters: { rel: rel.default(1) },
  isTotal: true,
  compute: ({ judged }, { rel }) => countRelevant(judged, rel),
});

/** Number of judged topics that the run has. */
export const topics = measureFamily({
  name: 'NumQ',
  doc: 'Number of judged topics in the run.',
  forms: ['NumQ'],
  parameters: {},
  isTotal: true,
  compute: () => 1,
});

/** Share of the first k documents that are judged, or of fewer where fewer were retrieved. ir_measures'. Range [0, 1]. */
export const judgedShare = measureFamily({
  name: 'Judged',
  doc: 'Share of the first k documents that are judged.',
  forms: ['Judged', 'Judged@10'],
  parameters: { cutoff: cutoff.optional() },
  at: 'cutoff',
  order: () => MS_MARCO_ORDER,
  compute({ retrieved }, { cutoff }) {
    const first = retrieved.slice(0, cutoff);
    return first.filter((grade) => grade !== undefined).length / first.length;
  },
});
