/**
 * Takes items from a source before they are asked for, at most `ahead` of them, so that making them overlaps with what
 * the caller does. The caller's `return()` ends the source.
 */
export async function* runAhead<T>(source: AsyncIterable<T>, ahead: number): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const queue: Promise<IteratorResult<T>>[] = [];
  const take = (): void => {
    const next = iterator.next();
    next.catch(() => undefined); // reported when its turn comes, or not at all when the caller stops early
    queue.push(next);
  };
  try {
    for (;;) {
      while (queue.length <= ahead) take();
      const next = await queue.shift()!;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await Promise.allSettled(queue); // nothing may still read when the caller closes the files
    await iterator.return?.();
  }
}
