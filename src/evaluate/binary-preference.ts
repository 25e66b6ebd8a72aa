import { countRelevant, measureFamily, rel } from './measure.js';

/**
 * Binary preference: how rarely documents judged non-relevant stand above relevant ones. Unjudged documents and negative
 * grades are passed over. trec_eval's `bpref`. Range [0, 1].
 *
 * Buckley and Voorhees, Retrieval evaluation with incomplete information, SIGIR 2004.
 */
export const binaryPreference = measureFamily({
  name: 'Bpref',
  aliases: { BPref: {} },
  doc: 'How rarely judged non-relevant documents stand above relevant ones.',
  forms: ['Bpref', 'Bpref(rel=2)'],
  parameters: { rel: rel.default(1) },
  compute({ retrieved, judged }, { rel }) {
    const relevant = countRelevant(judged, rel);
    if (relevant === 0) return 0;
    const nonRelevant = judged.filter((grade) => grade >= 0 && grade < rel).length;
    const most = Math.min(relevant, nonRelevant);
    let above = 0;
    let sum = 0;
    for (const grade of retrieved) {
      if (grade === undefined || grade < 0) continue;
      if (grade < rel) above += 1;
      else sum += above === 0 ? 1 : 1 - Math.min(above, relevant) / most;
    }
    return sum / relevant;
  },
});
