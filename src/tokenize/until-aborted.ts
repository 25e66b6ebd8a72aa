import { throwIfAborted } from '../errors.js';
import { onAbort } from '../io/on-abort.js';

/**
 * What `work` comes to, or an `aborted` error as soon as the signal fires; the work then goes on and its result is
 * dropped.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  work.catch(() => undefined); // nobody hears of it after an abort
  throwIfAborted(signal);
  let forget = (): void => undefined;
  const aborted = new Promise<void>((resolve) => (forget = onAbort(signal, resolve)));
  try {
    await Promise.race([work, aborted]);
  } finally {
    forget();
  }
  throwIfAborted(signal);
  return work;
}
