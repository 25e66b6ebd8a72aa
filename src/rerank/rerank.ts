import type { RankingSample } from '../data/records.js';
import { writeRunTopics, type ScoredDocument, type WrittenRun } from '../data/write-run.js';
import type { CrossEncoder } from '../engine/cross-encoder.js';
import type { ScoredWindow } from '../engine/score-windows.js';
import { holdInputs, refuseOverInput } from '../io/inputs.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import { scoreTopics } from './scored-topics.js';

/** Input of `rerank`: a RunDataset, or any other source of topics with their documents. */
export interface RerankDataset {
  countPairs(): Promise<number> | number;
  /** Throws when a TREC run cannot contain one of the ids; without it, writing the topic throws. */
  assertWritable?(): void;
  /** Input files, which are never overwritten. */
  readonly inputFiles?: readonly string[];
  /** Yields one topic at a time, so that a run of any length fits in memory. */
  samples(): AsyncIterable<RankingSample>;
}

export interface RerankProgress {
  /** Pairs scored so far. */
  pairs: number;
  totalPairs: number;
}

export interface RerankOptions {
  model: CrossEncoder;
  dataset: RerankDataset;
  /** Path of the TREC run; the file appears only when it is complete. */
  outputPath: string;
  /** The run's last column; lightning-ir writes the model's class name. */
  tag: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: RerankProgress) => void) | undefined;
  /** Called after each topic, for example to evaluate it. Documents are in first-stage order. */
  onTopic?: ((queryId: string, documents: readonly ScoredDocument[]) => void) | undefined;
}

export interface RerankResult extends WrittenRun {
  pairs: number;
  topics: number;
  tokens: number;
  /** Wall-clock seconds from the first pair to the written run. */
  seconds: number;
  /** Effective precision of the computation. */
  precision: CrossEncoder['precision'];
  /** `cpu` or `cuda:N`. */
  device: string;
}

/**
 * Scores a run's documents and writes a TREC run with the topics in the dataset's order. It holds only a few windows of
 * pairs in memory. `rerankRuns` also skips existing results, writes provenance and computes measures.
 *
 * @throws RankDistillmError, without leaving a partial file
 */
export async function rerank(options: RerankOptions): Promise<RerankResult> {
  const { model, dataset, signal, outputPath } = options;
  dataset.assertWritable?.();
  using _inputs = holdInputs(dataset.inputFiles ?? []);
  refuseOverInput(outputPath);
  const totalPairs = await dataset.countPairs();
  const start = performance.now();
  const result = { pairs: 0, topics: 0, tokens: 0 };
  const count = ({ scores, encoded }: ScoredWindow): void => {
    result.pairs += scores.length;
    result.tokens += encoded.reduce((sum, pair) => sum + pair.inputIds.length, 0);
    options.onProgress?.({ pairs: result.pairs, totalPairs });
  };

  const written = await writeRunTopics(outputPath, { tag: options.tag }, async (writeTopic) => {
    const score = (pairs: AsyncIterable<TextPair>) => model.scoreWindows(pairs, { signal });
    for await (const { sample, scores } of scoreTopics(dataset.samples(), score, count)) {
      const documents = sample.docIds.map((docId, i) => ({ docId, score: scores[i]! }));
      await writeTopic(sample.queryId, documents);
      options.onTopic?.(sample.queryId, documents);
      result.topics += 1;
    }
  });
  const seconds = (performance.now() - start) / 1000;
  return { ...result, ...written, seconds, precision: model.precision, device: model.device };
}
