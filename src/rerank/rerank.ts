import type { RankingSample } from '../data/records.js';
import { writeRunTopics, type ScoredDocument, type WrittenRun } from '../data/write-run.js';
import type { CrossEncoder } from '../engine/cross-encoder.js';
import type { ScoredWindow } from '../engine/score-windows.js';
import { refuseOverInputs } from '../io/output-file.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import { scoreTopics } from './scored-topics.js';

/** What `rerank` reads: a RunDataset, or anything that gives topics with their documents. */
export interface RerankDataset {
  countPairs(): Promise<number> | number;
  /** Throws where an id cannot stand in the run to be written; without it that shows when the topic is written. */
  assertWritable?(): void;
  /** Files that it reads: a run is never written over one of them. */
  readonly inputFiles?: readonly string[];
  /** One topic at a time, so that a run of any length fits in memory. */
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
  /** The TREC run to write; appears under this name only when it is whole. */
  outputPath: string;
  /** The run's last column; lightning-ir writes the model's class name. */
  tag: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: RerankProgress) => void) | undefined;
  /** Hears of each topic when it is written, for example to evaluate it. Documents in first-stage order. */
  onTopic?: ((queryId: string, documents: readonly ScoredDocument[]) => void) | undefined;
}

export interface RerankResult extends WrittenRun {
  pairs: number;
  topics: number;
  tokens: number;
  /** Wall-clock seconds from the first pair to the written run. */
  seconds: number;
  /** What the scores were really computed in. */
  precision: CrossEncoder['precision'];
  /** `cpu` or `cuda:N`. */
  device: string;
}

/**
 * Scores a run's documents and writes them as a TREC run, topics in the dataset's order. Memory holds a few windows of
 * pairs. `rerankRuns` also skips, records and measures.
 *
 * @throws RankDistillmError; then no file is left
 */
export async function rerank(options: RerankOptions): Promise<RerankResult> {
  const { model, dataset, signal, outputPath } = options;
  dataset.assertWritable?.();
  await refuseOverInputs([outputPath], dataset.inputFiles ?? []);
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
