import { z } from 'zod';
import { countRelevant, cutoff, judgedOnly, measureFamily, rel } from './measure.js';

/**
 * Precision: relevant documents among the first k, divided by k, even if fewer than k were retrieved.
 * trec_eval's `P_k`. Range [0, 1].
 *
 * Van Rijsbergen, Information Retrieval, 2nd edition, 1979, chapter 7.
 */
export const precision = measureFamily({
  name: 'P',
  aliases: { Precision: {} },
  doc: 'Share of the first k documents that are relevant.',
  forms: ['P@10', 'P(rel=2)@10'],
  parameters: { cutoff, rel: rel.default(1), judged_only: judgedOnly },
  at: 'cutoff',
  compute: ({ retrieved }, { cutoff, rel }) => countRelevant(retrieved.slice(0, cutoff), rel) / cutoff,
});

/** Precision among the first R documents, where R is the number of relevant ones. trec_eval's `Rprec`. Range [0, 1]. */
export const rPrecision = measureFamily({
  name: 'Rprec',
  aliases: { RPrec: {} },
  doc: 'P at the number of relevant documents.',
  forms: ['Rprec', 'Rprec(rel=2)'],
  parameters: { rel: rel.default(1), judged_only: judgedOnly },
  compute({ retrieved, judged }, { rel }) {
    const relevant = countRelevant(judged, rel);
    return relevant === 0 ? 0 : countRelevant(retrieved.slice(0, relevant), rel) / relevant;
  },
});

/**
 * Interpolated precision: the largest precision at any rank from which on the recall is reached. `@` is the recall.
 * trec_eval's `iprec_at_recall`, which rounds the recall to two decimals and the number of documents up. Range [0, 1].
 */
export const interpolatedPrecision = measureFamily({
  name: 'IPrec',
  doc: 'Largest P at a recall of at least @.',
  forms: ['IPrec@0.1', 'IPrec(rel=2)@0.5'],
  parameters: { recall: z.number().min(0).max(1), rel: rel.default(1), judged_only: judgedOnly },
  at: 'recall',
  compute({ retrieved, judged }, { recall, rel }) {
    const relevant = countRelevant(judged, rel);
    const needed = Math.trunc(Number(recall.toFixed(2)) * relevant + 0.9);
    let hits = 0;
    let best = 0;
    retrieved.forEach((grade, i) => {
      if (grade !== undefined && grade >= rel) hits += 1;
      if (hits >= needed && hits > 0) best = Math.max(best, hits / (i + 1));
    });
    return best;
  },
});
