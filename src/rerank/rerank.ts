import type { RankingSample } from '../data/records.js';
import { writeRunTopics, type ScoredDocument } from '../data/write-run.js';
import type { CrossEncoder } from '../engine/cross-encoder.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';

/** What `rerank` reads: a RunDataset, or anything that gives topics with their documents. */
export interface RerankDataset {
  countPairs(): Promise<number> | number;
  /** Throws where an id cannot stand in the run to be written; without it that shows when the topic is written. */
  assertWritable?(): void;
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

export interface RerankResult {
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
 * Scores a run's documents and writes them as a TREC run, topics in the dataset's order. Pairs of different topics
 * share the engine's windows, so short topics cost no more than long ones; memory holds a few windows.
 *
 * @throws RankDistillmError; then no file is left
 */
export async function rerank(options: RerankOptions): Promise<RerankResult> {
  const { model, dataset, signal } = options;
  dataset.assertWritable?.();
  const totalPairs = await dataset.countPairs();
  const start = performance.now();
  const result = { pairs: 0, topics: 0, tokens: 0 };
  const begun: OpenTopic[] = [];

  await writeRunTopics(options.outputPath, { tag: options.tag }, async (writeTopic) => {
    const writeWholeTopics = async (): Promise<void> => {
      while (begun[0]?.isWhole()) {
        const { sample, scores } = begun.shift()!;
        const documents = sample.docIds.map((docId, i) => ({ docId, score: scores[i]! }));
        await writeTopic(sample.queryId, documents);
        options.onTopic?.(sample.queryId, documents);
        result.topics += 1;
      }
    };
    for await (const window of model.scoreWindows(pairsOf(dataset.samples(), begun), { signal })) {
      distribute(window.scores, begun);
      result.pairs += window.scores.length;
      result.tokens += window.encoded.reduce((sum, pair) => sum + pair.inputIds.length, 0);
      options.onProgress?.({ pairs: result.pairs, totalPairs });
      await writeWholeTopics();
    }
    await writeWholeTopics();
  });
  return { ...result, seconds: (performance.now() - start) / 1000, precision: model.precision, device: model.device };
}

/** A topic whose pairs are on their way through the engine. */
class OpenTopic {
  readonly scores: number[] = [];

  constructor(readonly sample: RankingSample) {}

  isWhole(): boolean {
    return this.scores.length === this.sample.docIds.length;
  }
}

/** Opens each topic before its pairs, so that scores, which come in the same order, find it. */
async function* pairsOf(samples: AsyncIterable<RankingSample>, begun: OpenTopic[]): AsyncGenerator<TextPair> {
  for await (const sample of samples) {
    begun.push(new OpenTopic(sample));
    for (const document of sample.docs) yield { query: sample.query, document };
  }
}

function distribute(scores: Float32Array, begun: readonly OpenTopic[]): void {
  let topic = 0;
  for (const score of scores) {
    while (begun[topic]!.isWhole()) topic += 1;
    begun[topic]!.scores.push(score);
  }
}
