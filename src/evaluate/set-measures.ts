import { z } from 'zod';
import { countRelevant, judgedOnly, measureFamily, rel } from './measure.js';

/** Measures of all retrieved documents, whatever their order: trec_eval's `set_P`, `set_recall`, `set_F`, `set_map`. */

/** Share of the retrieved documents that are relevant; relative: of the largest share possible. Range [0, 1]. */
export const setPrecision = measureFamily({
  name: 'SetP',
  doc: 'Share of the retrieved documents that are relevant; relative: of as many as could be.',
  forms: ['SetP', 'SetP(rel=2)', 'SetP(relative=True)'],
  parameters: { rel: rel.default(1), relative: z.boolean().default(false), judged_only: judgedOnly },
  compute({ retrieved, judged }, { rel, relative }) {
    const possible = relative ? Math.min(retrieved.length, countRelevant(judged, rel)) : retrieved.length;
    return possible === 0 ? 0 : countRelevant(retrieved, rel) / possible;
  },
});

/** Share of the relevant documents that were retrieved. Range [0, 1]. */
export const setRecall = measureFamily({
  name: 'SetR',
  doc: 'Share of the relevant documents that were retrieved.',
  forms: ['SetR', 'SetR(rel=2)'],
  parameters: { rel: rel.default(1) },
  compute({ retrieved, judged }, { rel }) {
    const relevant = countRelevant(judged, rel);
    return relevant === 0 ? 0 : countRelevant(retrieved, rel) / relevant;
  },
});

/** (beta + 1) P R / (R + beta P) of SetP and SetR, as trec_eval weighs them. Range [0, 1]. */
export const setF = measureFamily({
  name: 'SetF',
  doc: 'Harmonic mean of SetP and SetR; a larger beta weighs SetP less.',
  forms: ['SetF', 'SetF(beta=0.5)'],
  parameters: { rel: rel.default(1), beta: z.number().min(0).default(1), judged_only: judgedOnly },
  compute({ retrieved, judged }, { rel, beta }) {
    const found = countRelevant(retrieved, rel);
    if (found === 0) return 0;
    const precision = found / retrieved.length;
    const recall = found / countRelevant(judged, rel);
    return ((beta + 1) * precision * recall) / (recall + beta * precision);
  },
});

/** SetP times SetR. Range [0, 1]. */
export const setAveragePrecision = measureFamily({
  name: 'SetAP',
  doc: 'SetP times SetR.',
  forms: ['SetAP', 'SetAP(rel=2)'],
  parameters: { rel: rel.default(1), judged_only: judgedOnly },
  compute({ retrieved, judged }, { rel }) {
    const found = countRelevant(retrieved, rel);
    return found === 0 ? 0 : (found * found) / (retrieved.length * countRelevant(judged, rel));
  },
});
