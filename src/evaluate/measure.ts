/** One topic's ranking with its judgements: all that a measure may look at. */
interface JudgedRanking {
  /** [documents] Grade of each retrieved document, best first; `undefined` where nobody judged it. */
  retrieved: readonly (number | undefined)[];
  /** [judgements] Grades of all judged documents of the topic, retrieved or not, largest first. */
  judged: readonly number[];
}

/** A measure with its parameters filled in. */
export interface Measure {
  /** As ir_measures prints it: `nDCG@10`, `AP`, `P(rel=2)@10`. Keys of all results. */
  readonly name: string;
  /** Value for one topic, in [0, 1]; 0 for a topic without relevant documents. */
  compute(ranking: JudgedRanking): number;
}

interface MeasureParameters {
  /** Ranks looked at; Infinity when the name has no `@k`. */
  cutoff: number;
  /** Smallest grade that counts as relevant in the binary measures. */
  rel: number;
}

/** What is known about a measure before its parameters are. */
export interface MeasureFamily {
  name: string;
  /** Other spellings that ir_measures accepts. */
  aliases: readonly string[];
  doc: string;
  cutoff: 'required' | 'optional';
  /** Whether `rel=` has a meaning. */
  binary: boolean;
  compute(ranking: JudgedRanking, parameters: MeasureParameters): number;
}

/** Number of relevant documents of a topic, retrieved or not. */
export function countRelevant(judged: readonly number[], rel: number): number {
  return judged.filter((grade) => grade >= rel).length;
}
