import type { CrossEncoder, RankedDocument, RankOptions } from '../engine/cross-encoder.js';

/** Options of all adapters. */
export interface AdapterOptions extends Pick<RankOptions, 'activation' | 'longDocuments' | 'signal'> {
  /** Stays the caller's to close. */
  model: CrossEncoder;
  /** Documents to return; default all. */
  topN?: number | undefined;
  /** Leaves out documents with a lower score. */
  minScore?: number | undefined;
}

/** Frameworks expect relevance from 0 to 1, so that is the default here. */
export async function rankTexts(
  query: string,
  texts: readonly string[],
  { model, topN, minScore = -Infinity, activation = 'sigmoid', longDocuments, signal }: AdapterOptions,
): Promise<RankedDocument[]> {
  if (texts.length === 0) return [];
  const ranked = await model.rank(query, texts, { topK: topN, activation, longDocuments, signal });
  return ranked.filter(({ score }) => score >= minScore);
}
