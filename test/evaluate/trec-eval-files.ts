import { RankDistillmError } from '../../src/errors.js';
import { evaluate, readQrels, readRun } from '../../src/index.js';

/** trec_eval's names of measures, and ours. */
export const MEASURES: Readonly<Record<string, string>> = {
  map: 'AP',
  P_5: 'P@5',
  recall_5: 'R@5',
  ndcg_cut_5: 'nDCG@5',
  recip_rank: 'RR',
  Rprec: 'Rprec',
  bpref: 'Bpref',
  num_ret: 'NumRet',
  success_1: 'Success@1',
};

/** By topic and measure. */
export type Figures = Record<string, Record<string, number>>;

/** trec_eval prints four digits. */
const ROUNDING = 0.5001e-4;

/** What `evaluate` refuses although trec_eval takes it for something: docs/data.md says so. */
const REFUSED_ON_PURPOSE = [
  /score must be a finite number/,
  /grade must be a whole number/,
  /not valid UTF-8/,
  /carriage return|NUL/,
  /a run line has 6 columns.*found [7-9]|rank must be a whole number/, // white space in an id shifts what is behind it
];

/**
 * Evaluates two files as the verb does, and compares with what trec_eval prints for each topic (undefined: it refuses).
 * Any error but ours is thrown.
 */
export async function compareFiles(
  qrelsPath: string,
  runPath: string,
  figures: Figures | undefined,
): Promise<{ outcome: string; message?: string }> {
  let found: Map<string, Record<string, number>>;
  try {
    const qrels = await readQrels(qrelsPath);
    const run = await readRun(runPath, { ignoreRanks: true });
    found = evaluate(run, qrels, Object.values(MEASURES)).byQuery;
  } catch (error) {
    if (!(error instanceof RankDistillmError)) throw error;
    if (figures === undefined) return { outcome: 'refused by both' };
    if (REFUSED_ON_PURPOSE.some((reason) => reason.test(error.message))) return { outcome: 'refused on purpose' };
    // trec_eval sees a document that occurs twice only in topics that have grades
    const [, topic] = /occurs twice for topic '([^']*)'/.exec(error.message) ?? [];
    if (topic !== undefined && figures[topic] === undefined) return { outcome: 'refused on purpose' };
    return { outcome: 'different', message: error.message };
  }
  if (figures === undefined) return { outcome: 'refused by trec_eval alone' };
  for (const [topic, values] of Object.entries(figures)) {
    for (const [measure, value] of Object.entries(values)) {
      const ours = found.get(topic)?.[measure];
      if (ours === undefined || !(Math.abs(ours - value) <= ROUNDING)) {
        return { outcome: 'different', message: `${measure} of topic '${topic}' is ${ours}, trec_eval gives ${value}` };
      }
    }
  }
  return { outcome: 'equal' };
}
