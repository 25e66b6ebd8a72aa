import { RankDistillmError } from '../../errors.js';
import { RequestThread } from '../../io/request-thread.js';
import type { SharedIndex } from './document-index.js';
import type { TextSource } from './text-places.js';
import { type TextBlock, viewsOf } from './text-reader.js';

export interface TextRequest {
  docIds: readonly string[];
  /** The run that asks for them, for errors. */
  run: string | undefined;
  /** The buffer of an answer before. */
  spare: ArrayBuffer | undefined;
}

/** Buffers are sent back and forth: the garbage collector would let hundreds of MB of them pile up. */
const MOST_SPARE = 4;
const MOST_SPARE_BYTES = 4 * 2 ** 20;

const PROGRAM = new URL('./text-worker.js', import.meta.url).href;

/**
 * A worker thread that finds and reads a collection's texts with blocking reads: 4 µs a text, against 15 µs for a promise
 * on the main thread, which at GPU speed would keep that thread busy.
 */
export class TextThread {
  readonly #thread: RequestThread<TextRequest, string[] | TextBlock[]>;
  readonly #spare: ArrayBuffer[] = [];

  constructor(source: TextSource, index: SharedIndex) {
    this.#thread = new RequestThread({
      module: PROGRAM,
      name: 'rank-distillm texts',
      workerData: { source, index },
      died: (cause) => died(source.path, cause),
    });
  }

  /** True from its first answer until it ends. */
  get isReady(): boolean {
    return this.#thread.isReady;
  }

  /**
   * The texts of documents, in the order of `docIds`.
   *
   * @throws RankDistillmError the same errors as reading on the main thread; `native` when the thread died
   */
  async read(docIds: readonly string[], run?: string): Promise<string[]> {
    const spare = this.#spare.pop();
    const answer = await this.#thread.request({ docIds, run, spare }, spare === undefined ? [] : [spare]);
    return answer.flatMap((part) => (typeof part === 'string' ? part : this.#textsOf(part)));
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  #textsOf(block: TextBlock): string[] {
    const { places, bytes } = viewsOf(block);
    const texts = new Array<string>(block.documents);
    for (let i = 0; i < texts.length; i++) texts[i] = bytes.toString('utf8', places[2 * i], places[2 * i + 1]);
    if (bytes.length <= MOST_SPARE_BYTES && this.#spare.length < MOST_SPARE) this.#spare.push(block.buffer);
    return texts;
  }
}

function died(path: string, cause: unknown): RankDistillmError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RankDistillmError('native', `${path}: its reader thread died${why}`, {
    hint: 'Try again; the process may have run out of memory.',
    ...(cause === undefined ? {} : { cause }),
  });
}
