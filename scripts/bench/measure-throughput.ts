import type { CrossEncoder } from '../../src/engine/cross-encoder.js';
import type { TextPair } from '../../src/tokenize/pair-tokenizer.js';
import type { Device } from './device.js';
import { dl20Pairs, endless, pairsOfLength } from './pairs.js';
import type { Work } from './row-measurement.js';
import { scoreAtLeast, scoreFor } from './score-pairs.js';

/** Pairs drawn from the whole run, in another order than by topic: any number of them has the lengths of all. */
const SPREAD = 5400;
/** Has no factor in common with the number of pairs. */
const STRIDE = 1637;

async function source(workload: string): Promise<Iterator<TextPair, never>> {
  if (workload === 'short') return pairsOfLength(32);
  if (workload === 'long') return pairsOfLength(288);
  const pairs = await dl20Pairs(SPREAD);
  return endless(pairs.map((_, i) => pairs[(i * STRIDE) % pairs.length]!));
}

/** Pairs a second of a stream as it comes from a run. */
export async function measureThroughput(
  model: CrossEncoder,
  workload: string,
  seconds: number,
  device: Device,
): Promise<Work> {
  const score = device === 'cuda' ? scoreAtLeast : scoreFor;
  return score(model, await source(workload), seconds);
}
