/** Callbacks by signal, called by one listener: Node.js warns about more than ten listeners on a signal. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `stop` on abort. Call the returned function to unsubscribe. */
export function onAbort(signal: AbortSignal, stop: () => void): () => void {
  const stops = waiting.get(signal) ?? listen(signal);
  stops.add(stop);
  return () => void stops.delete(stop);
}

function listen(signal: AbortSignal): Set<() => void> {
  const stops = new Set<() => void>();
  waiting.set(signal, stops);
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
  return stops;
}
