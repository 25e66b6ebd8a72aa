/** Some milliseconds of one thread's work. */
const BATCH_TEXTS = 64;
const BATCH_CHARS = 65_536;

/** Consecutive items, few enough to be tokenized in one go. `chars` says how much text an item is. */
export function* textBatches<T>(items: readonly T[], chars: (item: T) => number): Generator<T[]> {
  let batch: T[] = [];
  let total = 0;
  for (const item of items) {
    const size = chars(item);
    if (batch.length > 0 && (batch.length === BATCH_TEXTS || total + size > BATCH_CHARS)) {
      yield batch;
      batch = [];
      total = 0;
    }
    batch.push(item);
    total += size;
  }
  if (batch.length > 0) yield batch;
}
