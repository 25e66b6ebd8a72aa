import { open, type RootDatabase } from 'lmdb';
import { RankDistillmError } from '../../errors.js';

/** LMDB's limit at its default page size, minus the overhead of the key encoding. */
export const MAX_ID_BYTES = 1900;

const REGION_BYTES = 20;

/** Where a document's line is in the plain file, in bytes. */
export interface Region {
  offset: number;
  length: number;
  /** 1-based. */
  line: number;
}

/** A collection's index, open for reading: document id → position of its line. Built by `collectionIndex`. */
export class DocumentIndex {
  readonly #path: string;
  readonly #db: RootDatabase<Buffer, string>;

  private constructor(path: string, db: RootDatabase<Buffer, string>) {
    this.#path = path;
    this.#db = db;
  }

  static open(path: string): DocumentIndex {
    try {
      return new DocumentIndex(
        path,
        open<Buffer, string>({ path, noSubdir: true, encoding: 'binary', cache: false, readOnly: true }),
      );
    } catch (error) {
      throw damaged(path, error);
    }
  }

  /** Number of documents. */
  get size(): number {
    return (this.#db.getStats() as { entryCount: number }).entryCount;
  }

  /** undefined if there is no such document. */
  find(docId: string): Region | undefined {
    if (docId === '' || Buffer.byteLength(docId) > MAX_ID_BYTES) return undefined; // LMDB throws for such keys
    let bytes: Buffer | undefined;
    try {
      bytes = this.#db.getBinaryFast(docId);
    } catch (error) {
      // LMDB's errors have numeric codes
      throw typeof (error as { code?: unknown }).code === 'number' ? damaged(this.#path, error) : error;
    }
    if (bytes === undefined) return undefined;
    if (bytes.length !== REGION_BYTES) throw damaged(this.#path, undefined);
    return unpackRegion(bytes);
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}

function damaged(path: string, cause: unknown): RankDistillmError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RankDistillmError('io', `${path}: the collection index is damaged${why}`, {
    hint: 'Delete this file; it will be rebuilt.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Offset and line as float64, which holds integers up to 2^53, then the length as uint32. */
export function packRegion(region: Region): Buffer {
  const bytes = Buffer.allocUnsafe(REGION_BYTES);
  bytes.writeDoubleLE(region.offset, 0);
  bytes.writeDoubleLE(region.line, 8);
  bytes.writeUInt32LE(region.length, 16);
  return bytes;
}

export function unpackRegion(bytes: Buffer): Region {
  return { offset: bytes.readDoubleLE(0), line: bytes.readDoubleLE(8), length: bytes.readUInt32LE(16) };
}
