/**
 * Runs `load` over `items` in order, up to `ahead` items ahead of the caller, so that loading overlaps with the
 * caller's work. Takes items only while the caller waits, so a blocking source such as standard input never delays a
 * caller that stops early. Holds at most `ahead + 1` results.
 */
export async function* prefetch<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  ahead: number,
  load: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const queue: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const loading = load(item);
      loading.catch(() => undefined); // awaited below, or never if the caller stops early
      queue.push(loading);
      if (queue.length > ahead) yield await queue.shift()!;
    }
    while (queue.length > 0) yield await queue.shift()!;
  } finally {
    await Promise.allSettled(queue); // nothing may still read when the caller closes the files
  }
}

/**
 * Takes up to `ahead` items from a source in advance, also while the caller works. The caller's `return()` ends the
 * source.
 */
export async function* runAhead<T>(source: AsyncIterable<T>, ahead: number): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const queue: Promise<IteratorResult<T>>[] = [];
  const take = (): void => {
    const next = iterator.next();
    next.catch(() => undefined); // reported when awaited, or never if the caller stops early
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

/** The items of a stream in lists of `size`; the last list may be shorter. */
export async function* listsOf<T>(items: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let list: T[] = [];
  for await (const item of items) {
    list.push(item);
    if (list.length < size) continue;
    yield list;
    list = [];
  }
  if (list.length > 0) yield list;
}
