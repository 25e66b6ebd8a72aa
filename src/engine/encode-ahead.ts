import { throwIfAborted } from '../errors.js';
import { listsOf, prefetch } from '../io/ahead.js';
import type { EncodedPair, PairTokenizer, TextPair } from '../tokenize/pair-tokenizer.js';

/** Pairs per call of the tokenizer. */
const TOGETHER = 256;
/** Lists of pairs in flight: enough for two batches of 64 texts for each of eight threads. */
const LISTS_AHEAD = 4;

/**
 * Encodes a stream of pairs in lists, in the stream's order. While the caller processes a list, the tokenizer's threads
 * (if any) encode the next ones.
 */
export async function* encodeAhead(
  pairs: Iterable<TextPair> | AsyncIterable<TextPair>,
  tokenizer: Pick<PairTokenizer, 'encodePairs' | 'threads'>,
  signal: AbortSignal | undefined,
): AsyncGenerator<EncodedPair[], void, undefined> {
  const ahead = tokenizer.threads === 0 ? 0 : LISTS_AHEAD - 1;
  yield* prefetch(listsOf(pairs, TOGETHER), ahead, (list) => {
    throwIfAborted(signal);
    return tokenizer.encodePairs(list, signal);
  });
}
