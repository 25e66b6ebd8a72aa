import type { Device } from '../device.js';
import type { PeerPair } from './peer-options.js';
import type { Worker } from './worker.js';

/** Pairs to try a batch size on: at least two batches of a small one, one of a large one, or some tenths of a second. */
const FEWEST_PAIRS: Readonly<Record<Device, number>> = { cpu: 16, cuda: 4096 };
/** A larger batch is not tried after one that is slower than the best by this. */
const WORSE = 0.9;

/**
 * The batch size with the most tokens a second, tried once each on the first pairs; on a GPU after a warm-up with it. One
 * that does not fit into memory ends the search.
 */
export async function tuneBatch(worker: Worker, pairs: readonly PeerPair[], device: Device): Promise<number> {
  const { batches = [pairs.length] } = worker.contender;
  await worker.score({ count: Math.min(8, pairs.length), batch: 8 }); // what is built at the first call
  let best = { batch: batches[0]!, rate: 0 };
  if (batches.length === 1 && device === 'cuda') await worker.score({ count: pairs.length, batch: best.batch });
  for (const batch of batches.length === 1 ? [] : batches) {
    const count = Math.min(pairs.length, Math.max(FEWEST_PAIRS[device], batch));
    if (batch > count) break;
    try {
      if (device === 'cuda') await worker.score({ count, batch }); // compiles, takes memory
      const tokens = pairs.slice(0, count).reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      const rate = tokens / (await worker.score({ count, batch })).seconds;
      if (rate < best.rate * WORSE) break;
      if (rate > best.rate) best = { batch, rate };
    } catch (error) {
      if (best.rate === 0) throw error;
      break;
    }
  }
  return best.batch;
}
