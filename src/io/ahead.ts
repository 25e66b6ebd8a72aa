/**
 * Runs `load` over `items` in order, `ahead` of them at work before they are asked for, so that reading overlaps with
 * what the caller does. At most `ahead + 1` results are held.
 */
export async function* prefetch<T, R>(
  items: Iterable<T>,
  ahead: number,
  load: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const queue: Promise<R>[] = [];
  try {
    for (const item of items) {
      const loading = load(item);
      loading.catch(() => undefined); // awaited below, or not at all when the caller stops early
      queue.push(loading);
      if (queue.length > ahead) yield await queue.shift()!;
    }
    while (queue.length > 0) yield await queue.shift()!;
  } finally {
    await Promise.allSettled(queue); // nothing may still read when the caller closes the files
  }
}
