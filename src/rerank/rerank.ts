import type { RankingSample } from '../data/records.js';
import { writeRunTopics, type ScoredDocument, type WrittenRun } from '../data/write-run.js';
import type { CrossEncoder } from '../engine/cross-encoder.js';
import type { ErrorBounds, RefinedCounts } from '../engine/finer-scores.js';
import type { ScoredWindow } from '../engine/score-windows.js';
import { holdInputs, refuseOverInput } from '../io/inputs.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import { scoreTopics, type ScoredTopic } from './scored-topics.js';

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
  /** Pairs scored so far, with `earlierPairs`. */
  pairs: number;
  totalPairs: number;
  /** Pairs that an interrupted call had scored; 0 with `rerank`. */
  earlierPairs: number;
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
  /** With `refine`. */
  refined?: RefinedCounts | undefined;
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
  let counts: Counts | undefined;
  const written = await writeRunTopics(outputPath, { tag: options.tag }, async (writeTopic) => {
    const work = { model, samples: dataset.samples(), signal, totalPairs, onProgress: options.onProgress };
    counts = await scoreSamples(work, async (queryId, documents) => {
      await writeTopic(queryId, documents);
      options.onTopic?.(queryId, documents);
    });
  });
  const seconds = (performance.now() - start) / 1000;
  return { ...counts!, ...written, seconds, precision: model.precision, device: model.device };
}

/** What was scored. */
export interface Counts {
  pairs: number;
  topics: number;
  tokens: number;
  refined?: RefinedCounts;
}

/** Topics to score. */
export interface SampleWork extends Pick<RerankOptions, 'model' | 'signal' | 'onProgress'> {
  samples: AsyncIterable<RankingSample>;
  /** For progress, with those of `earlierPairs`. */
  totalPairs: number;
  earlierPairs?: number;
  /** How many documents of each topic are to be the best of 32-true, and the bounds of `CrossEncoder.errorBounds`. */
  refine?: { topK: number; bounds: ErrorBounds | undefined } | undefined;
}

/**
 * Scores topics and passes each on as soon as it is complete, in order, documents in first-stage order, with what was
 * scored for it.
 */
export async function scoreSamples(
  { model, samples, signal, totalPairs, earlierPairs = 0, refine, onProgress }: SampleWork,
  onTopic: (queryId: string, documents: readonly ScoredDocument[], scored: Counts) => Promise<void>,
): Promise<Counts> {
  const counts: Counts = { pairs: 0, topics: 0, tokens: 0 };
  let pairs = 0;
  const count = ({ scores }: ScoredWindow): void => {
    pairs += scores.length;
    onProgress?.({ pairs: earlierPairs + pairs, totalPairs, earlierPairs });
  };
  const score = (pairs: AsyncIterable<TextPair>) => model.scoreWindows(pairs, { signal });
  type Finer = { scores: ArrayLike<number>; counts?: RefinedCounts | undefined };
  const refined = async ({ sample: { query, docs }, scores }: ScoredTopic): Promise<Finer> =>
    refine === undefined ? { scores } : model.refine({ query, documents: docs, scores, signal, ...refine });
  for await (const topic of scoreTopics(samples, score, count)) {
    const { scores, counts: finer } = await refined(topic); // while the next windows are scored
    const { queryId, docIds } = topic.sample;
    const own: Counts = { pairs: docIds.length, topics: 1, tokens: topic.tokens, ...(finer && { refined: finer }) };
    const documents = docIds.map((docId, i) => ({ docId, score: scores[i]! }));
    await onTopic(queryId, documents, own);
    addCounts(counts, own);
  }
  return counts;
}

export function addCounts(to: Counts, { pairs, topics, tokens, refined }: Counts): void {
  to.pairs += pairs;
  to.topics += topics;
  to.tokens += tokens;
  if (refined) to.refined = sumOf(to.refined, refined);
}

/** What was refined before and now. */
function sumOf(
  before: RefinedCounts | undefined,
  { documents, rescored, inFloat32, bound, exceeded }: RefinedCounts,
): RefinedCounts {
  if (before === undefined) return { documents, rescored, inFloat32, bound, exceeded };
  return {
    documents: before.documents + documents,
    rescored: before.rescored + rescored,
    inFloat32: before.inFloat32 + inFloat32,
    bound,
    exceeded: before.exceeded + exceeded,
  };
}
