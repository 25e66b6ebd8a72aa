import { countRelevant, cutoff, judgedOnly, measureFamily, rel, type JudgedRanking } from './measure.js';

function precisionsAtHits(retrieved: JudgedRanking['retrieved'], rel: number): number {
  let hits = 0;
  let sum = 0;
  retrieved.forEach((grade, i) => {
    if (grade === undefined || grade < rel) return;
    hits += 1;
    sum += hits / (i + 1);
  });
  return sum;
}

/**
 * Average precision: the sum of the precisions at the ranks of the relevant documents among the first k, divided by
 * all relevant documents of the topic, retrieved or not. trec_eval's `map` and `map_cut_k`. Range [0, 1].
 *
 * Harman, Evaluation issues in information retrieval, Information Processing and Management 1992.
 */
export const averagePrecision = measureFamily({
  name: 'AP',
  aliases: { MAP: {} },
  doc: 'Mean of P at the rank of each relevant document.',
  forms: ['AP', 'AP@100', 'AP(rel=2)'],
  parameters: { cutoff: cutoff.optional(), rel: rel.default(1), judged_only: judgedOnly },
  at: 'cutoff',
  compute({ retrieved, judged }, { cutoff, rel }) {
    const relevant = countRelevant(judged, rel);
    return relevant === 0 ? 0 : precisionsAtHits(retrieved.slice(0, cutoff), rel) / relevant;
  },
});

/**
 * Inferred average precision, for pools that were judged in part: a grade of -1 marks a document of the pool that was
 * not judged. trec_eval's `infAP`, with its smoothing of 0.00001. Range [0, 1].
 *
 * Yilmaz and Aslam, Estimating average precision with incomplete and imperfect judgments, CIKM 2006.
 */
export const inferredAveragePrecision = measureFamily({
  name: 'infAP',
  doc: 'AP inferred from a pool of which a sample is judged (grade -1: in the pool, not judged).',
  forms: ['infAP', 'infAP(rel=2)'],
  parameters: { rel: rel.default(1) },
  compute({ retrieved, judged }, { rel }) {
    const EPSILON = 0.00001;
    const relevant = countRelevant(judged, rel);
    if (relevant === 0) return 0;
    let hits = 0;
    let misses = 0;
    let unjudged = 0;
    let sum = 0;
    retrieved.forEach((grade, above) => {
      if (grade === undefined) return;
      if (grade < 0) unjudged += 1;
      else if (grade < rel) misses += 1;
      else {
        const pooled = above === 0 ? 0 : (hits + misses + unjudged) / above;
        const share = (hits + EPSILON) / (hits + misses + 2 * EPSILON);
        sum += 1 / (above + 1) + (above / (above + 1)) * pooled * share;
        hits += 1;
      }
    });
    return sum / relevant;
  },
});
