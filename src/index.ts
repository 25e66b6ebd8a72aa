export { CrossEncoder } from './engine/cross-encoder.js';
export type { LoadOptions, RankedDocument, RankOptions, ScoreOptions } from './engine/cross-encoder.js';
export { RankDistillmError, type ErrorCode } from './errors.js';
export { rerank, type RerankDataset, type RerankOptions, type RerankResult } from './rerank/rerank.js';
export type { EncodedPair, TextPair } from './tokenize/encoded-pair.js';

export type { Qrel, RankingSample, RunEntry } from './data/records.js';
export { readRun, streamRunTopics } from './data/read-run.js';
export { writeRun, writeRunTopics, type ScoredDocument, type WriteRunOptions } from './data/write-run.js';
export { readQrels } from './data/formats/qrels.js';
export { readDocuments, readQueries } from './data/read-texts.js';
export { CollectionStore } from './data/collection-store.js';
export { DatasetRegistry, type DatasetParts } from './data/registry.js';
export { RunDataset } from './data/run-dataset.js';
export type { RunDatasetOptions } from './data/run-options.js';

export { evaluate, type Evaluation } from './evaluate/evaluate.js';

export type { Loss, LossResult, ScoreMatrix } from './loss/loss.js';
