import type { RankingSample } from '../data/records.js';
import type { ScoredWindow } from '../engine/score-windows.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';

/** A topic and the scores of its documents. */
export interface ScoredTopic {
  sample: RankingSample;
  /** [docIds.length] */
  scores: number[];
  /** That the model read. */
  tokens: number;
}

/**
 * Scores topics and yields each when it is complete, in order. Pairs of different topics share the engine's windows, so
 * short topics cost no more than long ones.
 *
 * @param score `scoreWindows` of a model: scores in the order of the pairs
 * @param onWindow called after each window
 */
export async function* scoreTopics(
  samples: AsyncIterable<RankingSample>,
  score: (pairs: AsyncIterable<TextPair>) => AsyncIterable<ScoredWindow>,
  onWindow?: (window: ScoredWindow) => void,
): AsyncGenerator<ScoredTopic, void, undefined> {
  /** Topics with pairs in the engine. */
  const begun: ScoredTopic[] = [];
  async function* pairs(): AsyncGenerator<TextPair> {
    for await (const sample of samples) {
      begun.push({ sample, scores: [], tokens: 0 }); // before its pairs, so that it is there for their scores
      for (const document of sample.docs) yield { query: sample.query, document };
    }
  }
  for await (const window of score(pairs())) {
    distribute(window, begun);
    onWindow?.(window);
    while (begun[0] && isWhole(begun[0])) yield begun.shift()!;
  }
  yield* begun; // topics without documents after the last window
}

function distribute({ scores, encoded }: ScoredWindow, begun: readonly ScoredTopic[]): void {
  let topic = 0;
  scores.forEach((score, i) => {
    while (isWhole(begun[topic]!)) topic += 1;
    begun[topic]!.scores.push(score);
    begun[topic]!.tokens += encoded[i]!.inputIds.length;
  });
}

function isWhole({ sample, scores }: ScoredTopic): boolean {
  return scores.length === sample.docIds.length;
}
