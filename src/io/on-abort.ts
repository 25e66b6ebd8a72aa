/** What to call when a signal fires. One listener serves all: Node.js warns where a signal has more than ten. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Has `stop` called when the signal fires. What comes back ends that; it is to be called once `stop` is not needed. */
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
