export { CrossEncoder } from './engine/cross-encoder.js';
export type { LoadOptions, RankedDocument, RankOptions, ScoreOptions } from './engine/cross-encoder.js';
export { RankDistillmError, type ErrorCode } from './errors.js';
export { rerank, type RerankDataset, type RerankOptions, type RerankResult } from './rerank/rerank.js';
export type { EncodedPair, TextPair } from './tokenize/encoded-pair.js';
