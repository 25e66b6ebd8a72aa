import { RankDistillmError } from '../../errors.js';
import { RequestThread } from '../../io/request-thread.js';
import type { Place, TextSource } from './text-places.js';

export interface TextRequest {
  docIds: readonly string[];
  /** [documents, 3]: offset, length and line of each; cloning numbers costs less than cloning objects. */
  regions: Float64Array<ArrayBuffer>;
}

const PROGRAM = new URL('./text-worker.js', import.meta.url).href;

/**
 * A thread that fetches a collection's texts. It may wait for the disk, so that a read costs 2 µs instead of the 15 that
 * each promise costs the main thread: at a GPU's rate those alone would keep it busy. The index stays with the main
 * thread: where a thread ends while LMDB works in it, so does the process.
 */
export class TextThread {
  readonly #thread: RequestThread<TextRequest, string[]>;

  constructor(source: TextSource) {
    this.#thread = new RequestThread({
      module: PROGRAM,
      name: 'rank-distillm texts',
      workerData: source,
      died: (cause) => died(source.path, cause),
    });
  }

  /** True once it answers, until it ends. */
  get isReady(): boolean {
    return this.#thread.isReady;
  }

  /**
   * The texts of places in the file's order, in that order.
   *
   * @throws RankDistillmError as reading on this thread does; `native` when the thread died
   */
  read(places: readonly Place[]): Promise<string[]> {
    const docIds = places.map(({ docId }) => docId);
    const regions = Float64Array.from(places.flatMap(({ offset, length, line }) => [offset, length, line]));
    return this.#thread.request({ docIds, regions }, [regions.buffer]);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}

function died(path: string, cause: unknown): RankDistillmError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RankDistillmError('native', `${path}: the thread that reads its texts ended${why}`, {
    hint: 'Try again; it may have lacked memory.',
    ...(cause === undefined ? {} : { cause }),
  });
}
