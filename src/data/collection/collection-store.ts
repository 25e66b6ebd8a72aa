import { ioError, RankDistillmError } from '../../errors.js';
import { provideFile } from '../../fetch/datasets.js';
import { holdInputs } from '../../io/inputs.js';
import { changedWhileRead, readRegions } from '../../io/regions.js';
import { repairUtf8 } from '../../io/text.js';
import { textRecord } from '../formats/texts.js';
import { type IndexedCollection, openIndexed } from './collection-index.js';
import { discardIndex, type Places } from './document-index.js';
import type { CollectionIndexOptions } from './index-cache.js';

/** Documents that are looked up together. */
const LOOKED_UP_TOGETHER = 1024;
/** Size of lines that are read together. */
const READ_TOGETHER_BYTES = 16 * 2 ** 20;
const TAB = 9;

export interface CollectionOptions extends CollectionIndexOptions {
  /** Apply `repairUtf8` to the texts. Default false. */
  repairs?: boolean | undefined;
}

/** A collection that fetches texts by document id. Holds open files, no texts. */
export class CollectionStore implements AsyncDisposable {
  readonly #reading = new Set<Promise<string[]>>();
  #isClosed = false;
  readonly #indexed: IndexedCollection;
  readonly #repairs: boolean;
  readonly #held: Disposable;

  private constructor(
    readonly path: string,
    indexed: IndexedCollection,
    repairs: boolean,
  ) {
    this.#indexed = indexed;
    this.#repairs = repairs;
    this.#held = holdInputs([path]);
  }

  /** Opens a collection (TSV or JSON lines, also gzipped); builds its index the first time, see `openIndexed`. */
  static async open(pathOrName: string, options: CollectionOptions = {}): Promise<CollectionStore> {
    const path = await provideFile(pathOrName);
    return new CollectionStore(path, await openIndexed(path, options), options.repairs ?? false);
  }

  /** Number of documents. */
  get size(): number {
    return this.#indexed.index.size;
  }

  has(docId: string): boolean {
    return this.#indexed.index.has(docId);
  }

  /** Texts of documents, in the order of `docIds`. The error for a missing document names `run`. */
  async getTexts(docIds: readonly string[], run?: string): Promise<string[]> {
    if (this.#isClosed) {
      throw new RankDistillmError('closed', `${this.path}: the collection is closed`, { hint: 'Open it again.' });
    }
    const reading = this.#read(docIds, run);
    this.#reading.add(reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(reading);
    }
  }

  /** Waits for texts that are being read. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#held[Symbol.dispose]();
    await Promise.allSettled(this.#reading);
    this.#indexed.index.close();
    await this.#indexed.plain.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #read(docIds: readonly string[], run: string | undefined): Promise<string[]> {
    const { index, plain } = this.#indexed;
    const texts: string[] = [];
    for (let first = 0; first < docIds.length; first += LOOKED_UP_TOGETHER) {
      const ids = docIds.slice(first, first + LOOKED_UP_TOGETHER);
      const places = await index.findAll(ids);
      const missing = places.lines.indexOf(0);
      if (missing !== -1) throw unknownDocument(ids[missing]!, this.path, run);
      for (let from = 0, to = 0; from < ids.length; from = to) {
        to = endOfBlock(places, from);
        const take = (bytes: Buffer): void => this.#decode(ids, places, from, to, bytes, texts);
        const regions = places.regions.subarray(3 * from, 3 * to);
        await readRegions(plain.fd, regions, take, (cause) => this.#unreadable(cause));
      }
    }
    return texts;
  }

  /** Adds the texts of documents `from` to `to`, whose lines are one after the other in `bytes`. */
  #decode(
    ids: readonly string[],
    { regions, lines }: Places,
    from: number,
    to: number,
    bytes: Buffer,
    texts: string[],
  ) {
    for (let i = from, start = 0; i < to; i++) {
      const end = start + regions[3 * i + 1]!;
      const text = this.#textOf(ids[i]!, bytes, start, end, lines[i]!);
      texts.push(this.#repairs ? repairUtf8(text) : text);
      start = end;
    }
  }

  #textOf(docId: string, bytes: Buffer, start: number, end: number, line: number): string {
    if (this.#indexed.format === 'tsv') {
      // the line was checked when it was indexed, and has the checksum of then
      const tab = start + Buffer.byteLength(docId);
      if (tab < end && bytes[tab] === TAB) return bytes.toString('utf8', tab + 1, end);
    } else {
      const { id, text } = textRecord(bytes.toString('utf8', start, end), 'jsonl', 'document', this.path, line);
      if (id === docId) return text;
    }
    throw this.#unreadable();
  }

  /** The error for lines that cannot be read, or, without a cause, are not those that were indexed. */
  #unreadable(cause?: Error): RankDistillmError {
    const { isCopy, plainPath, index } = this.#indexed;
    if (cause !== undefined) return ioError('read', isCopy ? plainPath : this.path, cause);
    const hint = discardIndex(index.path);
    return isCopy
      ? new RankDistillmError('io', `${plainPath}: the unpacked copy of ${this.path} is damaged`, { hint })
      : new RankDistillmError('io', changedWhileRead(this.path).message, { hint });
  }
}

/** Where a part of the places from `from` on ends that has at most `READ_TOGETHER_BYTES`, or one line. */
function endOfBlock({ regions, lines }: Places, from: number): number {
  let bytes = 0;
  for (let i = from; i < lines.length; i++) {
    bytes += regions[3 * i + 1]!;
    if (i > from && bytes > READ_TOGETHER_BYTES) return i;
  }
  return lines.length;
}

/** The error for a document that is not there. */
function unknownDocument(docId: string, collection: string, run: string | undefined): RankDistillmError {
  const asked = run === undefined ? '' : ` (asked for by ${run})`;
  return new RankDistillmError('not_found', `document '${docId}' is not in the collection ${collection}${asked}`, {
    hint: 'Register the collection that the run was created from.',
  });
}
