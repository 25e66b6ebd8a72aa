/** A topic's ranking with its judgements: the input of a measure. */
interface JudgedRanking {
  /** [documents] Grade of each retrieved document, best first; `undefined` if unjudged. */
  retrieved: readonly (number | undefined)[];
  /** [judgements] Grades of all judged documents of the topic, retrieved or not, largest first. */
  judged: readonly number[];
}

/** A measure with its parameters filled in. */
export interface Measure {
  /** ir_measures' canonical name: `nDCG@10`, `AP`, `P(rel=2)@10`. Key in all results. */
  readonly name: string;
  /** Value for one topic, in [0, 1]; 0 for a topic without relevant documents. */
  compute(ranking: JudgedRanking): number;
}

interface MeasureParameters {
  /** Number of ranks considered; Infinity without `@k`. */
  cutoff: number;
  /** Smallest grade that counts as relevant in the binary measures. */
  rel: number;
}

/** A measure without its parameters. */
export interface MeasureFamily {
  name: string;
  /** Other spellings that ir_measures accepts. */
  aliases: readonly string[];
  doc: string;
  cutoff: 'required' | 'optional';
  /** Whether the measure accepts `rel=`. */
  binary: boolean;
  compute(ranking: JudgedRanking, parameters: MeasureParameters): number;
}

/** Number of relevant documents of a topic, retrieved or not. */
export function countRelevant(judged: readonly number[], rel: number): number {
  return judged.filter((grade) => grade >= rel).length;
}
