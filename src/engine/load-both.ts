import { throwIfAborted } from '../errors.js';

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
