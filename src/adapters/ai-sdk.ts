/** @module rank-distillm/ai */

import { rankWith, type AdapterOptions } from './rank-with.js';

/** A call of the AI SDK, as far as it is read here. */
export interface RerankCall {
  query: string;
  documents: { type: 'text'; values: string[] } | { type: 'object'; values: Record<string, unknown>[] };
  topN?: number;
  abortSignal?: AbortSignal;
}

/** The AI SDK's interface of reranking models, version 3. */
export interface AiSdkRerankingModel {
  readonly specificationVersion: 'v3';
  readonly provider: string;
  readonly modelId: string;
  doRerank(call: RerankCall): Promise<{
    ranking: { index: number; relevanceScore: number }[];
    response: { modelId: string; timestamp: Date };
  }>;
}

/**
 * A cross-encoder as a reranking model of the Vercel AI SDK, for its `rerank({ model, query, documents })`. An object as
 * document is read as JSON.
 */
export function rerankingModel(options: AdapterOptions): AiSdkRerankingModel {
  const modelId = options.model.name;
  return {
    specificationVersion: 'v3',
    provider: 'rank-distillm',
    modelId,
    /** @throws RankDistillmError as `CrossEncoder.rank` */
    async doRerank({ query, documents, topN, abortSignal }) {
      const texts = documents.type === 'text' ? documents.values : documents.values.map((one) => JSON.stringify(one));
      const signals = [options.signal, abortSignal].filter((signal) => signal !== undefined);
      const signal = signals.length > 0 ? AbortSignal.any(signals) : undefined;
      const ranking = await rankWith(
        query,
        texts,
        { ...options, topN: topN ?? options.topN, signal },
        { textOf: (text) => text, ranked: (_, relevanceScore, index) => ({ index, relevanceScore }) },
      );
      return { ranking, response: { modelId, timestamp: new Date() } };
    },
  };
}
