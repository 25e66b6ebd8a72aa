import { open as openFile, type FileHandle } from 'node:fs/promises';
import { open as openDatabase, type RootDatabase } from 'lmdb';
import { ioError, RankDistillmError } from '../errors.js';
import { changedWhileRead, readRegion } from '../io/read-region.js';
import { collectionIndex, unpackRegion, type CollectionIndexOptions, type Region } from './collection-index.js';
import { detectTextFormat, type TextFormat } from './formats/text-format.js';
import { textRecord } from './formats/text-record.js';

/** Documents closer than this are read at once: a read call costs about as much as copying so many bytes. */
const MERGE_GAP_BYTES = 8 * 1024;
/** Largest single read. */
const MERGE_BYTES = 1024 * 1024;
/** Reads in flight; as many as libuv has threads by default would leave the disk waiting for us. */
const PARALLEL_READS = 8;

interface Wanted extends Region {
  docId: string;
  /** Positions in the answer that want this document. */
  positions: number[];
}

/** A collection whose texts are fetched by document id. Nothing of it is held but open files. */
export class CollectionStore implements AsyncDisposable {
  private constructor(
    readonly path: string,
    private readonly format: TextFormat,
    private readonly index: RootDatabase<Buffer, string>,
    private readonly plain: FileHandle,
  ) {}

  /** Opens a collection (TSV or JSON lines, also gzipped); the first time its index is built, see `collectionIndex`. */
  static async open(path: string, options: CollectionIndexOptions = {}): Promise<CollectionStore> {
    const format = await detectTextFormat(path);
    const files = await collectionIndex(path, options);
    let plain: FileHandle;
    try {
      plain = await openFile(files.plain, 'r');
    } catch (error) {
      throw ioError('read', files.plain, error);
    }
    try {
      const index = openDatabase<Buffer, string>({
        path: files.index,
        noSubdir: true,
        encoding: 'binary',
        cache: false,
        readOnly: true,
      });
      return new CollectionStore(path, format, index, plain);
    } catch (error) {
      await plain.close();
      throw new RankDistillmError('io', `${files.index}: cannot open the index of ${path}`, {
        hint: 'Delete this file; it is built again.',
        cause: error,
      });
    }
  }

  /** Number of documents. */
  get size(): number {
    return (this.index.getStats() as { entryCount: number }).entryCount;
  }

  has(docId: string): boolean {
    return docId !== '' && this.index.getBinaryFast(docId) !== undefined;
  }

  /** Texts of documents, in the order asked for. `run` is named in the error when one is not in the collection. */
  async getTexts(docIds: readonly string[], run?: string): Promise<string[]> {
    const texts = new Array<string>(docIds.length);
    const groups = mergeReads(this.locate(docIds, run));
    let next = 0;
    const work = async (): Promise<void> => {
      for (let group = groups[next++]; group !== undefined; group = groups[next++]) await this.readGroup(group, texts);
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_READS, groups.length) }, work));
    return texts;
  }

  async close(): Promise<void> {
    await this.index.close();
    await this.plain.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private locate(docIds: readonly string[], run: string | undefined): Wanted[] {
    const wanted = new Map<string, Wanted>();
    for (const [position, docId] of docIds.entries()) {
      const known = wanted.get(docId);
      if (known !== undefined) {
        known.positions.push(position);
        continue;
      }
      const bytes = docId === '' ? undefined : this.index.getBinaryFast(docId);
      if (bytes === undefined) throw unknownDocument(docId, this.path, run);
      wanted.set(docId, { ...unpackRegion(bytes), docId, positions: [position] });
    }
    return [...wanted.values()].sort((a, b) => a.offset - b.offset);
  }

  private async readGroup(group: Wanted[], texts: string[]): Promise<void> {
    const start = group[0]!.offset;
    const last = group[group.length - 1]!;
    const bytes = await readRegion(this.plain, start, last.offset + last.length - start, this.path);
    for (const { docId, offset, length, line, positions } of group) {
      const text = bytes.toString('utf8', offset - start, offset - start + length);
      const record = textRecord(text, this.format, 'document', this.path, line);
      if (record.id !== docId) throw changedWhileRead(this.path);
      for (const position of positions) texts[position] = record.text;
    }
  }
}

/** Joins neighbouring regions, which come sorted by offset. */
function mergeReads(wanted: Wanted[]): Wanted[][] {
  const groups: Wanted[][] = [];
  let group: Wanted[] = [];
  for (const region of wanted) {
    const last = group[group.length - 1];
    const near =
      last !== undefined &&
      region.offset - (last.offset + last.length) <= MERGE_GAP_BYTES &&
      region.offset + region.length - group[0]!.offset <= MERGE_BYTES;
    if (!near) {
      group = [];
      groups.push(group);
    }
    group.push(region);
  }
  return groups;
}

function unknownDocument(docId: string, collection: string, run: string | undefined): RankDistillmError {
  const asked = run === undefined ? '' : ` (asked for by ${run})`;
  return new RankDistillmError('not_found', `document '${docId}' is not in the collection ${collection}${asked}`, {
    hint: 'Register the collection that the run was made on.',
  });
}
