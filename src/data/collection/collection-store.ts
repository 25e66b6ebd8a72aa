import type { FileHandle } from 'node:fs/promises';
import { provideFile } from '../../fetch/datasets.js';
import { holdInputs } from '../../io/inputs.js';
import { readRegion } from '../../io/regions.js';
import { openIndexed } from './collection-index.js';
import type { DocumentIndex } from './document-index.js';
import type { CollectionIndexOptions } from './index-cache.js';
import { groupReads, locate, nameOf, type Place, textsOf, type TextSource } from './text-places.js';
import { TextThread } from './text-thread.js';

/** Reads in flight; more than libuv's four default threads, so that the disk always has the next read queued. */
const PARALLEL_READS = 8;
/** Documents fetched on this thread before a worker starts; starting one takes as long as fetching a few hundred. */
const THREAD_AFTER = 4096;

export interface CollectionOptions extends CollectionIndexOptions {
  /** Documents fetched before a worker thread takes over. Default 4096. */
  threadAfter?: number;
  /** Apply `repairUtf8` to the texts. Default false. */
  repairs?: boolean | undefined;
}

/** A collection that fetches texts by document id. Holds open files, no texts. */
export class CollectionStore implements AsyncDisposable {
  #fetched = 0;
  #thread: TextThread | undefined;
  readonly #source: TextSource;
  readonly #threadAfter: number;
  readonly #index: DocumentIndex;
  readonly #plain: FileHandle;
  readonly #held: Disposable;

  private constructor(source: TextSource, threadAfter: number, index: DocumentIndex, plain: FileHandle) {
    this.#source = source;
    this.#threadAfter = threadAfter;
    this.#index = index;
    this.#plain = plain;
    this.#held = holdInputs([source.path]);
  }

  /** Opens a collection (TSV or JSON lines, also gzipped); builds its index the first time, see `openIndexed`. */
  static async open(pathOrName: string, options: CollectionOptions = {}): Promise<CollectionStore> {
    const path = await provideFile(pathOrName);
    const { format, index, plain, plainPath, isCopy } = await openIndexed(path, options);
    const repairs = options.repairs ?? false;
    const source = { path, format, plain: plainPath, file: plain.fd, index: index.path, isCopy, repairs };
    return new CollectionStore(source, options.threadAfter ?? THREAD_AFTER, index, plain);
  }

  get path(): string {
    return this.#source.path;
  }

  /** Number of documents. */
  get size(): number {
    return this.#index.size;
  }

  has(docId: string): boolean {
    return this.#index.has(docId);
  }

  /** Texts of documents, in the order of `docIds`. The error for a missing document names `run`. */
  async getTexts(docIds: readonly string[], run?: string): Promise<string[]> {
    this.#fetched += docIds.length;
    if (this.#fetched > this.#threadAfter) this.#thread ??= new TextThread(this.#source, this.#index.shared);
    if (this.#thread?.isReady) return this.#thread.read(docIds, run);
    const wanted = locate(this.#index, docIds, this.path, run);
    const found = await this.#read(wanted);
    const texts = new Array<string>(docIds.length);
    for (const [i, { positions }] of wanted.entries()) {
      for (const position of positions) texts[position] = found[i]!;
    }
    return texts;
  }

  async close(): Promise<void> {
    this.#held[Symbol.dispose]();
    await this.#thread?.close();
    this.#index.close();
    await this.#plain.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The texts at `places`, which are in file order. */
  async #read(places: readonly Place[]): Promise<string[]> {
    const groups = groupReads(places);
    const texts = new Array<string[]>(groups.length);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let i = next++; i < groups.length; i = next++) {
        const { offset, length } = groups[i]!;
        const bytes = await readRegion(this.#plain, offset, length, nameOf(this.#source));
        texts[i] = textsOf(groups[i]!, bytes, this.#source);
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_READS, groups.length) }, work));
    return texts.flat();
  }
}
