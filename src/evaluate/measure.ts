import { z } from 'zod';
import { TREC_EVAL_ORDER, type RankOrder } from './rank-order.js';

/** A topic's ranking with its judgements: the input of a measure. */
export interface JudgedRanking {
  /** [documents] Grade of each retrieved document, best first; `undefined` if unjudged. */
  retrieved: readonly (number | undefined)[];
  /** [judgements] Grades of all judged documents of the topic, retrieved or not, largest first. */
  judged: readonly number[];
}

/** A measure with its parameters filled in. */
export interface Measure {
  /** ir_measures' canonical name: `nDCG@10`, `AP`, `P(rel=2)@10`. Key in all results. */
  readonly name: string;
  /** Whether the topics' values are added up instead of averaged: counts of documents and topics. */
  readonly isTotal: boolean;
  /** The order of the documents that the measure looks at. */
  readonly order: RankOrder;
  /** Value for one topic that the run has. */
  compute(ranking: JudgedRanking): number;
}

type Parameters = Record<string, z.ZodType<number | string | boolean | undefined>>;

/** A measure without its parameters. */
export interface MeasureFamily<P extends Parameters = Parameters> {
  name: string;
  /** Other spellings that ir_measures accepts, each with the parameters that it stands for. */
  aliases?: Readonly<Record<string, Readonly<Record<string, number | boolean>>>>;
  doc: string;
  /** Ways to write it, for the help. */
  forms: readonly string[];
  /** Each by its name in ir_measures. A default is not part of the canonical name. */
  parameters: P;
  /** The parameter behind `@`. */
  at?: keyof P & string;
  isTotal?: boolean;
  /** Default: trec_eval's. */
  order?(parameters: z.output<z.ZodObject<P>>): RankOrder;
  compute(ranking: JudgedRanking, parameters: z.output<z.ZodObject<P>>): number;
}

/** Infers the types of the parameters; at run time it is the family itself. */
export function measureFamily<const P extends Parameters>(family: MeasureFamily<P>): MeasureFamily {
  return family as unknown as MeasureFamily;
}

/** Number of ranks considered. */
export const cutoff = z.int().min(1);
/** Smallest grade that counts as relevant. */
export const rel = z.int().min(1);
/** Whether documents without a judgement, or with a negative grade, are taken out of the ranking first: trec_eval -J. */
export const judgedOnly = z.boolean().default(false);

/** A family's measure for parameters that its schemas took. */
export function measureOf(family: MeasureFamily, name: string, parameters: Record<string, unknown>): Measure {
  const given = parameters as never;
  return {
    name,
    isTotal: family.isTotal === true,
    order: family.order?.(given) ?? TREC_EVAL_ORDER,
    compute({ retrieved, judged }) {
      const kept = parameters['judged_only'] === true ? retrieved.filter((grade) => (grade ?? -1) >= 0) : retrieved;
      return family.compute({ retrieved: kept, judged }, given);
    },
  };
}

/** Number of relevant documents: of a topic, or among those retrieved. */
export function countRelevant(grades: readonly (number | undefined)[], rel: number): number {
  let count = 0;
  for (const grade of grades) if (grade !== undefined && grade >= rel) count += 1;
  return count;
}
