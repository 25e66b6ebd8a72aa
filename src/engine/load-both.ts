import { throwIfAborted } from '../errors.js';

interface Closable {
  close(): Promise<void>;
}

/**
 * A model's tokenizer and its weights, which load at the same time. Where one of them fails, or the signal fires
 * meanwhile, what did load is closed: its threads and memory would stay for as long as the process.
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
