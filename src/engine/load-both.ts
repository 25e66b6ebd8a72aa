import { totalmem } from 'node:os';
import { RankDistillmError, throwIfAborted } from '../errors.js';
import type { Checkpoint } from '../models/checkpoint.js';
import type { ResolvedEngine } from './engine-options.js';

/** Bytes of a packed weight. */
const WEIGHT_BYTES = { float32: 4, bfloat16: 2, int16: 2, int8: 1 } as const;

/**
 * Refuses a model whose weights alone are larger than the machine's or the container's memory: the system would end the
 * process without a word.
 *
 * @param copies of the weights, for training
 */
export function checkMemory({ name, tensors }: Checkpoint, { device, compute }: ResolvedEngine, copies = 1): void {
  if (device !== 'cpu') return;
  const numbers = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const needed = numbers * copies * (copies > 1 ? WEIGHT_BYTES.float32 : WEIGHT_BYTES[compute]);
  const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  if (needed <= memory) return;
  const [needs, has] = [needed, memory].map((bytes) => `${(bytes / 1e9).toFixed(2)} GB`);
  throw new RankDistillmError('out_of_memory', `${name}: needs ${needs} of memory, and this process may have ${has}`, {
    hint: 'Choose a smaller model, a precision of fewer bits, or a larger machine or container.',
  });
}

interface Closable {
  close(): Promise<void>;
}

/**
 * Waits for a model's tokenizer and weights, which load in parallel. If one of them fails, or the signal fires, it
 * closes the other: its threads and memory would otherwise stay until the process ends.
 */
export async function loadBoth<T extends Closable, N extends Closable>(
  tokenizer: Promise<T>,
  native: Promise<N>,
  signal: AbortSignal | undefined,
): Promise<[T, N]> {
  const loaded = await Promise.allSettled([tokenizer, native]);
  try {
    throwIfAborted(signal);
    return await Promise.all([tokenizer, native]);
  } catch (error) {
    for (const part of loaded) if (part.status === 'fulfilled') await part.value.close();
    throw error;
  }
}
