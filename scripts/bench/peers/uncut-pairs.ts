import { loadCheckpoint } from '../../../src/checkpoint/load-checkpoint.js';
import { createPairTokenizer } from '../../../src/tokenize/pair-tokenizer.js';
import { dl20Pairs, TRUNCATION } from '../pairs.js';
import type { PeerPair } from './peer-options.js';

/**
 * Pairs of dl20-bm25 that are short enough to stay whole (nearly all are), with their ids: libraries that take texts and
 * cut them in other ways then see the same tokens.
 */
export async function uncutPairs(monoFolder: string, count: number): Promise<PeerPair[]> {
  const encode = async (overrides: typeof TRUNCATION | { queryLength: null; docLength: null }) => {
    const tokenizer = await createPairTokenizer(await loadCheckpoint(monoFolder, { overrides }));
    return tokenizer.encodePairs(candidates);
  };
  const candidates = await dl20Pairs(2 * count);
  const cut = await encode(TRUNCATION);
  const whole = await encode({ queryLength: null, docLength: null });
  const uncut = candidates.flatMap(({ query, document }, i) => {
    const { inputIds, tokenTypeIds } = cut[i]!;
    if (inputIds.length !== whole[i]!.inputIds.length) return [];
    return [{ query, document, inputIds: [...inputIds], tokenTypeIds: [...tokenTypeIds] }];
  });
  const step = uncut.length / count;
  return Array.from({ length: Math.min(count, uncut.length) }, (_, i) => uncut[Math.floor(i * Math.max(1, step))]!);
}
