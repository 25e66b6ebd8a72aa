import type { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { TrainableModel } from '../../src/engine/trainable-model.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { sumOfOps } from './op-seconds.js';
import type { Work } from './row-measurement.js';

/** Pairs that compile the kernels and fill caches. */
const WARM_UP_PAIRS = 8;
/** The same on a GPU: some windows of the length that they have in the end, so that its memory is taken, too. */
const WARM_UP_PAIRS_GPU = 4096;
/** A probe shorter than this share of the time to come says little. */
const PROBE_SHARE = 0.05;

/** Work of scoring. */
export type Counted = Work & { engineSeconds: number };
export const NO_WORK = { pairs: 0, tokens: 0, linearFlops: 0, seconds: 0, engineSeconds: 0 } as const;

/** Scores a stream from text to scores, and counts. */
export async function scorePairs(
  model: Pick<CrossEncoder | TrainableModel, 'scoreWindows'>,
  pairs: Iterable<TextPair>,
): Promise<Counted> {
  const work: Counted = { ...NO_WORK };
  const start = performance.now();
  for await (const { encoded, result } of model.scoreWindows(pairs)) {
    work.pairs += encoded.length;
    for (const pair of encoded) work.tokens += pair.inputIds.length;
    work.linearFlops += result.linearFlops;
    work.engineSeconds += result.seconds;
    work.opSeconds = sumOfOps(work.opSeconds, result.opSeconds);
  }
  work.seconds = (performance.now() - start) / 1000;
  return work;
}

/** Scores as many pairs as fit into the time, judged by a probe that doubles until it takes long enough. */
export async function scoreFor(model: CrossEncoder, pairs: Iterator<TextPair, never>, seconds: number): Promise<Work> {
  await scorePairs(model, take(pairs, WARM_UP_PAIRS));
  let probe: Work;
  let count = WARM_UP_PAIRS;
  do {
    probe = await scorePairs(model, take(pairs, count));
    count *= 2;
  } while (probe.seconds < seconds * PROBE_SHARE);
  const fitting = Math.round((probe.pairs / probe.seconds) * seconds);
  return scorePairs(model, take(pairs, Math.max(WARM_UP_PAIRS, fitting)));
}

/**
 * Scores pairs until the time is over. For a device whose windows are short beside it: those in flight at its end still
 * count, and a probe of few pairs would tell little of its rate.
 */
export async function scoreAtLeast(
  model: CrossEncoder,
  pairs: Iterator<TextPair, never>,
  seconds: number,
): Promise<Work> {
  await scorePairs(model, take(pairs, WARM_UP_PAIRS_GPU));
  return scorePairs(model, takeUntil(pairs, performance.now() + seconds * 1000));
}

function* takeUntil<T>(items: Iterator<T, never>, end: number): Generator<T> {
  while (performance.now() < end) yield items.next().value;
}

export function* take<T>(items: Iterator<T, never>, count: number): Generator<T> {
  for (let i = 0; i < count; i++) yield items.next().value;
}
