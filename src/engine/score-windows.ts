import type { CancelToken, NativeModel, ScoreResult } from '../../binding.js';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import { onAbort } from '../io/on-abort.js';
import type { EncodedPair, PairTokenizer, TextPair } from '../tokenize/pair-tokenizer.js';
import { encodeAhead } from './encode-ahead.js';
import { fromNative } from './native-error.js';
import { inCallersOrder, packByLength } from './pack-by-length.js';

/** Consecutive pairs of a stream, scored together. */
export interface ScoredWindow {
  /** [pairs], raw logits in the stream's order. */
  scores: Float32Array;
  encoded: EncodedPair[];
  /** Result of the engine, see binding.d.ts. */
  result: ScoreResult;
}

export interface WindowOptions {
  model: Pick<NativeModel, 'score'> & Partial<Pick<NativeModel, 'windowTokens'>>;
  tokenizer: PairTokenizer;
  /** Must not be shared with another stream. */
  cancel: CancelToken;
  signal?: AbortSignal | undefined;
  /** Devices that the model has windows for at the same time. Default 1. */
  devices?: number | undefined;
  /** More tokens than these throw `bad_input`. */
  maxTokens?: number | undefined;
  /** Called when the device ran out of memory, with the new limit of tokens per block. */
  onHalved?: ((blockTokens: number) => void) | undefined;
}

/** Longer windows delay progress and hold memory; shorter ones leave cores idle at their end. */
const SECONDS_PER_WINDOW = 1.5;
const FEWEST_TOKENS = 8_192;
const MOST_TOKENS = 32_768;
/** Of each device: one window runs and the next waits in the engine's queue, while a third is tokenized. */
const WINDOWS_IN_FLIGHT = 2;

/**
 * Scores a stream of pairs in windows of about 1.5 seconds, with a few windows in memory. Tokenization runs ahead of
 * the engine. On an error (`aborted` after the signal) or the consumer's `return()` it cancels the windows in flight
 * and waits for them.
 */
export async function* scoreWindows(
  pairs: Iterable<TextPair> | AsyncIterable<TextPair>,
  { model, tokenizer, cancel, signal, devices = 1, maxTokens = Infinity, onHalved }: WindowOptions,
): AsyncGenerator<ScoredWindow, void, undefined> {
  throwIfAborted(signal);
  const forget = signal && onAbort(signal, () => cancel.cancel());
  const inFlight: Promise<ScoredWindow>[] = [];
  const fixedTokens = model.windowTokens ?? 0;
  let windowTokens = fixedTokens || FEWEST_TOKENS;

  const post = (encoded: EncodedPair[]): void => {
    const { batch, order } = packByLength(encoded);
    const score = async (): Promise<ScoredWindow> => {
      try {
        const result = await model.score(batch, cancel);
        return { scores: inCallersOrder(result.scores, order), encoded, result };
      } catch (error) {
        throwIfAborted(signal); // the engine does not know why it was interrupted
        throw fromNative(error);
      }
    };
    const scored = score();
    scored.catch(() => undefined); // `next` reports the error
    inFlight.push(scored);
  };
  const next = async (): Promise<ScoredWindow> => {
    const window = await inFlight[0]!;
    void inFlight.shift();
    if (fixedTokens === 0) windowTokens = tokensFor(window);
    if (window.result.halvedTo > 0) onHalved?.(window.result.halvedTo);
    return window;
  };

  try {
    let encoded: EncodedPair[] = [];
    let tokens = 0;
    let total = 0;
    for await (const chunk of encodeAhead(pairs, tokenizer, signal)) {
      for (const pair of chunk) {
        encoded.push(pair);
        tokens += pair.inputIds.length;
        total += pair.inputIds.length;
        if (total > maxTokens) throw tooManyTokens(maxTokens);
        if (tokens < windowTokens) continue;
        post(encoded);
        encoded = [];
        tokens = 0;
        while (inFlight.length >= WINDOWS_IN_FLIGHT * devices) yield await next();
      }
    }
    if (encoded.length > 0) post(encoded);
    while (inFlight.length > 0) yield await next();
  } finally {
    forget?.();
    cancel.cancel();
    await Promise.allSettled(inFlight);
  }
}

function tooManyTokens(most: number): RankDistillmError {
  return new RankDistillmError('bad_input', `the texts have more than ${most} tokens, the most for one call`, {
    hint: 'Send fewer or shorter documents in one call, or raise the limit.',
  });
}

function tokensFor({ encoded, result }: ScoredWindow): number {
  const tokens = encoded.reduce((sum, pair) => sum + pair.inputIds.length, 0);
  const perSecond = tokens / Math.max(result.seconds, 1e-3);
  return Math.min(MOST_TOKENS, Math.max(FEWEST_TOKENS, Math.round(perSecond * SECONDS_PER_WINDOW)));
}

/** Warning when a device ran out of memory and work continues in smaller blocks. */
export function halvedWarning(device: string, blockTokens: number): string {
  return (
    `${device}: memory ran out; blocks now have at most ${blockTokens} tokens. Results stay the same. ` +
    'Free memory on the device, or set memoryFraction (trainer.memory_fraction), to start with smaller blocks'
  );
}

/** Passes on the first message and drops the others. */
export function warnOnce(warn: (message: string) => void): (message: string) => void {
  let said = false;
  return (message) => {
    if (said) return;
    said = true;
    warn(message);
  };
}
