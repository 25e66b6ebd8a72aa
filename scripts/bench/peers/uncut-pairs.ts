import { loadCheckpoint } from '../../../src/models/load-checkpoint.js';
import { createPairTokenizer } from '../../../src/tokenize/pair-tokenizer.js';
import { dl20Pairs, endless, TRUNCATION } from '../pairs.js';
import { take } from '../score-pairs.js';
import type { PeerPair } from './peer-options.js';

/** Of the candidates, fewer than this share have to be cut. */
const CUT_SHARE = 0.1;

/**
 * Pairs of dl20-bm25 that are short enough to stay whole (nearly all are), with their ids: libraries that take texts and
 * cut them in other ways then see the same tokens. More than there are come again with new texts.
 *
 * @param backbone a model folder without a head: its tokenizer counts
 */
export async function uncutPairs(backbone: string, count: number): Promise<PeerPair[]> {
  const encode = async (overrides: typeof TRUNCATION | { queryLength: null; docLength: null }) => {
    const tokenizer = await createPairTokenizer(await loadCheckpoint(backbone, { overrides, freshHead: true }));
    return tokenizer.encodePairs(candidates);
  };
  const pairs = await dl20Pairs(2 * count);
  const candidates = [...take(endless(pairs), Math.max(pairs.length, Math.ceil(count / (1 - CUT_SHARE))))];
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
