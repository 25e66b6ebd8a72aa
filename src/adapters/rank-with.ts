import type { CrossEncoder } from '../engine/cross-encoder.js';
import type { RankOptions } from '../engine/cross-encoder-options.js';

/** Options of all adapters. */
export interface AdapterOptions extends Pick<RankOptions, 'activation' | 'longDocuments' | 'signal'> {
  /** Stays the caller's to close. */
  model: CrossEncoder;
  /** Documents to return; default all. */
  topN?: number | undefined;
  /** Leaves out documents with a lower score. */
  minScore?: number | undefined;
}

/** How a framework's documents are read, and given back with their scores. */
interface Framework<Given, Ranked> {
  textOf: (given: Given) => string;
  ranked: (given: Given, score: number, index: number) => Ranked;
}

/** Documents of a framework, best first. Frameworks expect relevance from 0 to 1, so that is the default here. */
export async function rankWith<Given, Ranked>(
  query: string,
  documents: readonly Given[],
  { model, topN, minScore = -Infinity, activation = 'sigmoid', longDocuments, signal }: AdapterOptions,
  { textOf, ranked }: Framework<Given, Ranked>,
): Promise<Ranked[]> {
  if (documents.length === 0) return [];
  const found = await model.rank(query, documents.map(textOf), { topK: topN, activation, longDocuments, signal });
  const good = found.filter(({ score }) => score >= minScore);
  return good.map(({ index, score }) => ranked(documents[index]!, score, index));
}
