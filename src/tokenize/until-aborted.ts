import { throwIfAborted } from '../errors.js';

/** What to call when a signal fires. One listener serves all: Node.js warns where a signal has more than ten. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * What `work` comes to, or an `aborted` error as soon as the signal fires; the work then goes on and its result is
 * dropped.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  work.catch(() => undefined); // nobody hears of it after an abort
  throwIfAborted(signal);
  const stops = waiting.get(signal) ?? listen(signal);
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => (stop = resolve));
  stops.add(stop);
  try {
    await Promise.race([work, aborted]);
  } finally {
    stops.delete(stop);
  }
  throwIfAborted(signal);
  return work;
}

function listen(signal: AbortSignal): Set<() => void> {
  const stops = new Set<() => void>();
  waiting.set(signal, stops);
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
  return stops;
}
