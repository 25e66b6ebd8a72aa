import { throwIfAborted } from '../errors.js';
import { listsOf, prefetch } from '../io/ahead.js';
import type { EncodedPair, PairTokenizer, TextPair } from '../tokenize/pair-tokenizer.js';

/** Pairs given to the tokenizer at a time. */
const TOGETHER = 256;
/** Lists of pairs with the tokenizer's threads: eight threads have two batches of 64 texts each. */
const LISTS_AHEAD = 4;

/**
 * Encodes a stream of pairs, some hundreds at a time, in the stream's order. While the caller works on a list, the
 * tokenizer's threads, where it has some, work on the next ones.
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
