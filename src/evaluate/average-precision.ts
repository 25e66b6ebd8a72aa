import { countRelevant, type MeasureFamily } from './measure.js';

/**
 * Average precision: the sum of the precisions at the ranks of the relevant documents among the first k, divided by
 * all relevant documents of the topic, retrieved or not. trec_eval's `map` and `map_cut_k`. Range [0, 1].
 *
 * Harman, Evaluation issues in information retrieval, Information Processing and Management 1992.
 */
export const averagePrecision: MeasureFamily = {
  name: 'AP',
  aliases: ['MAP'],
  doc: 'Mean of P at the rank of each relevant document.',
  cutoff: 'optional',
  binary: true,
  compute({ retrieved, judged }, { cutoff, rel }) {
    const relevant = countRelevant(judged, rel);
    if (relevant === 0) return 0;
    let hits = 0;
    let sum = 0;
    const depth = Math.min(retrieved.length, cutoff);
    for (let i = 0; i < depth; i++) {
      const grade = retrieved[i];
      if (grade === undefined || grade < rel) continue;
      hits += 1;
      sum += hits / (i + 1);
    }
    return sum / relevant;
  },
};
