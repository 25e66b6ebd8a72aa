import { throwIfAborted } from '../errors.js';
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
  const ahead = tokenizer.threads === 0 ? 1 : LISTS_AHEAD;
  const begun: Promise<EncodedPair[]>[] = [];
  for await (const list of listsOf(pairs, TOGETHER)) {
    throwIfAborted(signal);
    const encoded = tokenizer.encodePairs(list, signal);
    encoded.catch(() => undefined); // reported in its turn, or not at all when the caller stops early
    begun.push(encoded);
    if (begun.length >= ahead) yield await begun.shift()!;
  }
  for (const encoded of begun) yield await encoded;
}

async function* listsOf<T>(items: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let list: T[] = [];
  for await (const item of items) {
    list.push(item);
    if (list.length < size) continue;
    yield list;
    list = [];
  }
  if (list.length > 0) yield list;
}
