import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { RankDistillmError } from '../../errors.js';
import { type CheckedRegions, readRegions } from '../../io/regions.js';

// The index file of a collection, little-endian:
//
//   header      64 bytes, see `Header`
//   records     32 bytes a document, grouped by the first bits of the id's hash into 2^bucketBits buckets
//   directory   8 bytes a bucket: where its records end (counted from the first record), and their CRC-32
//
// The file is complete when it has its name and never changes, so any number of processes read it without a lock. It
// is read with pread(2), never mapped: a truncated mapping ends the process. Every byte is covered by a checksum that
// is compared when the byte is read.

const MAGIC = 'rank-distillm documents 2\n';
const HEADER_BYTES = 64;
export const RECORD_BYTES = 32;
const RECORD_WORDS = RECORD_BYTES / 4;
const DIRECTORY_BYTES = 8;
/** Words of a record that hold the hash: 96 bits, so that no two ids of a collection ever share one. */
const HASH_WORDS = 3;
/** Records up to this size are checked when the index is opened (some 0.1 s), those of larger indexes when used. */
const CHECKED_AT_OPENING_BYTES = 512 * 2 ** 20;
const PIECE_RECORDS = 2 ** 15;

/** Where a document's line is in the plain file, in bytes. */
export interface Region {
  offset: number;
  length: number;
  /** 1-based. */
  line: number;
  /** CRC-32 of the line's bytes. */
  checksum: number;
}

/** Where documents' lines are. */
export interface Places {
  regions: CheckedRegions;
  /** [documents], 1-based; 0 where there is no such document. */
  lines: Float64Array;
}

/** Writes the hash of an id into the first words of `words` at `at`. */
export function hashInto(words: Uint32Array, at: number, id: string): void {
  const digest = hash('sha256', id, 'binary'); // a string costs half of what a buffer does
  for (let word = 0; word < HASH_WORDS; word++) words[at + word] = wordOf(digest, word);
}

function wordOf(digest: string, word: number): number {
  const at = 4 * word;
  return (
    digest.charCodeAt(at) |
    (digest.charCodeAt(at + 1) << 8) |
    (digest.charCodeAt(at + 2) << 16) |
    (digest.charCodeAt(at + 3) << 24)
  );
}

/** Writes the rest of a record. Offsets and lines have 48 bits. */
export function regionInto(words: Uint32Array, at: number, region: Region): void {
  const { offset, line, length, checksum } = region;
  words[at + 3] = offset;
  words[at + 4] = Math.floor(offset / 2 ** 32) | (Math.floor(line / 2 ** 32) << 16);
  words[at + 5] = line;
  words[at + 6] = length;
  words[at + 7] = checksum;
}

/** The region of a record. */
export function regionAt(words: Uint32Array, at: number): Region {
  const high = words[at + 4]!;
  return {
    offset: words[at + 3]! + (high & 0xffff) * 2 ** 32,
    line: words[at + 5]! + (high >>> 16) * 2 ** 32,
    length: words[at + 6]!,
    checksum: words[at + 7]!,
  };
}

export interface Header {
  /** Says which version of which collection was indexed. */
  stamp: string;
  documents: number;
  bucketBits: number;
  /** Size of the plain file. */
  plainBytes: number;
  /** CRC-32 of the directory. */
  directory: number;
}

/** Stamps are as long as this. */
export const STAMP_CHARACTERS = 16;

/** Size of the header, and where the directory begins. */
export function layoutOf(documents: number): { records: number; directory: number } {
  return { records: HEADER_BYTES, directory: HEADER_BYTES + documents * RECORD_BYTES };
}

export function packHeader(header: Header): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.write(header.stamp, 26, 'latin1');
  bytes.writeUIntLE(header.documents, 42, 6);
  bytes.writeUIntLE(header.plainBytes, 48, 6);
  bytes.writeUInt8(header.bucketBits, 54);
  bytes.writeUInt32LE(header.directory, 56);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

function unpackHeader(bytes: Buffer): Header | undefined {
  const isWhole =
    bytes.toString('latin1', 0, MAGIC.length) === MAGIC && bytes.readUInt32LE(60) === crc32(bytes.subarray(0, 60));
  if (!isWhole) return undefined;
  return {
    stamp: bytes.toString('latin1', 26, 26 + STAMP_CHARACTERS),
    documents: bytes.readUIntLE(42, 6),
    plainBytes: bytes.readUIntLE(48, 6),
    bucketBits: bytes.readUInt8(54),
    directory: bytes.readUInt32LE(56),
  };
}

/** A collection's index, open for reading: document id → position of its line. Built by `collectionIndex`. */
export class DocumentIndex {
  /** Words of the hash asked for. */
  readonly #wanted = new Uint32Array(HASH_WORDS);
  readonly #wantedBucket: CheckedRegions = new Float64Array(3);
  #bucket = new Uint32Array(64 * RECORD_WORDS);
  #bytes = bytesOf(this.#bucket);
  #isClosed = false;
  readonly #path: string;
  readonly #file: number;
  readonly #header: Header;
  /** [2^bucketBits, 2]: end and checksum of each bucket. */
  readonly #directory: Uint32Array;

  private constructor(path: string, file: number, header: Header, directory: Uint32Array) {
    this.#path = path;
    this.#file = file;
    this.#header = header;
    this.#directory = directory;
  }

  /**
   * Opens an index; undefined if it is of another version of the collection, damaged, or cannot be read, so that it has
   * to be built.
   */
  static async open(path: string, stamp: string): Promise<DocumentIndex | undefined> {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      const index = readIndex(path, file, stamp);
      if (index === undefined || !(await index.#isWhole())) return undefined;
      file = undefined;
      return index;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return undefined;
    } finally {
      if (file !== undefined) closeSync(file);
    }

    function readIndex(at: string, opened: number, wanted: string): DocumentIndex | undefined {
      const { size } = fstatSync(opened);
      if (size < HEADER_BYTES) return undefined;
      const header = unpackHeader(readExactly(opened, 0, HEADER_BYTES));
      if (header?.stamp !== wanted) return undefined;
      const bytes = DIRECTORY_BYTES * 2 ** header.bucketBits;
      const start = layoutOf(header.documents).directory;
      if (size !== start + bytes) return undefined;
      const directory = Buffer.allocUnsafeSlow(bytes);
      readInto(directory, opened, start);
      if (crc32(directory) !== header.directory) return undefined;
      return new DocumentIndex(at, opened, header, wordsOf(directory));
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Number of documents. */
  get size(): number {
    return this.#header.documents;
  }

  /** Size of the file that the regions are in. */
  get plainBytes(): number {
    return this.#header.plainBytes;
  }

  has(docId: string): boolean {
    return this.#search(docId) !== -1;
  }

  /** undefined if there is no such document. */
  find(docId: string): Region | undefined {
    const at = this.#search(docId);
    return at === -1 ? undefined : regionAt(this.#bucket, at);
  }

  /** The same for many documents, whose buckets are read without blocking this thread. Do not close it meanwhile. */
  async findAll(docIds: readonly string[]): Promise<Places> {
    this.#throwIfClosed();
    const hashes = new Uint32Array(docIds.length * HASH_WORDS);
    const buckets = new Float64Array(3 * docIds.length);
    for (let i = 0; i < docIds.length; i++) {
      hashInto(hashes, i * HASH_WORDS, docIds[i]!);
      this.#bucketInto(buckets, 3 * i, hashes[i * HASH_WORDS]!);
    }
    const findIn = (bytes: Buffer): Places => {
      const words = wordsOf(bytes);
      const regions = new Float64Array(3 * docIds.length);
      const lines = new Float64Array(docIds.length);
      for (let i = 0, start = 0; i < docIds.length; i++) {
        const end = start + buckets[3 * i + 1]! / 4;
        const at = recordOf(words, start, end, hashes, i * HASH_WORDS);
        start = end;
        if (at === -1) continue;
        const { offset, length, checksum, line } = regionAt(words, at);
        regions[3 * i] = offset;
        regions[3 * i + 1] = length;
        regions[3 * i + 2] = checksum;
        lines[i] = line;
      }
      return { regions, lines };
    };
    return readRegions(this.#file, buckets, findIn, (cause) => damagedIndex(this.#path, cause));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#file);
  }

  /** Where the document's record is in `#bucket`, or -1. */
  #search(docId: string): number {
    this.#throwIfClosed();
    const wanted = this.#wanted;
    hashInto(wanted, 0, docId);
    const bucket = this.#wantedBucket;
    this.#bucketInto(bucket, 0, wanted[0]!);
    const [offset, length, checksum] = bucket as unknown as [number, number, number];
    this.#read(offset, length, checksum);
    return recordOf(this.#bucket, 0, length / 4, wanted, 0);
  }

  #throwIfClosed(): void {
    // by now the descriptor may be another file's
    if (this.#isClosed) throw new RankDistillmError('closed', `${this.#path}: the collection is closed`);
  }

  /** Writes where the bucket of a hash is, of which `word` is the first. */
  #bucketInto(regions: CheckedRegions, at: number, word: number): void {
    const bucket = word >>> (32 - this.#header.bucketBits);
    const start = bucket === 0 ? 0 : this.#directory[2 * bucket - 2]!;
    regions[at] = layoutOf(this.#header.documents).records + start * RECORD_BYTES;
    regions[at + 1] = (this.#directory[2 * bucket]! - start) * RECORD_BYTES;
    regions[at + 2] = this.#directory[2 * bucket + 1]!;
  }

  /** Reads a bucket into `#bucket`. */
  #read(offset: number, length: number, checksum: number): void {
    if (length > this.#bytes.length) {
      this.#bucket = new Uint32Array(length / 2);
      this.#bytes = bytesOf(this.#bucket);
    }
    let isRead: boolean;
    try {
      isRead = readSync(this.#file, this.#bytes, 0, length, offset) === length;
    } catch (error) {
      throw damagedIndex(this.#path, error);
    }
    if (!isRead || crc32(this.#bytes.subarray(0, length)) !== checksum) throw damagedIndex(this.#path);
  }

  /** Whether the records fit their checksums. Lets other work run after every piece. */
  async #isWhole(): Promise<boolean> {
    const { documents } = this.#header;
    const buckets = this.#directory.length / 2;
    const endOf = (bucket: number): number => (bucket < 0 ? 0 : this.#directory[2 * bucket]!);
    if (endOf(buckets - 1) !== documents) return false;
    const isLarge = documents * RECORD_BYTES > CHECKED_AT_OPENING_BYTES;
    const { records } = layoutOf(documents);
    let scratch = Buffer.alloc(0);
    for (let first = 0, last = 0; first < buckets; first = last) {
      const start = endOf(first - 1);
      while (last < buckets && endOf(last) - start <= PIECE_RECORDS) {
        if (endOf(last) < endOf(last - 1)) return false;
        last += 1;
      }
      last = Math.max(last, first + 1);
      if (isLarge) continue;
      const length = (endOf(last - 1) - start) * RECORD_BYTES;
      if (length > scratch.length) scratch = Buffer.alloc(Math.max(length, PIECE_RECORDS * RECORD_BYTES));
      const bytes = scratch.subarray(0, length);
      readInto(bytes, this.#file, records + start * RECORD_BYTES);
      for (let bucket = first; bucket < last; bucket++) {
        const [from, to] = [endOf(bucket - 1), endOf(bucket)].map((end) => (end - start) * RECORD_BYTES);
        if (crc32(bytes.subarray(from, to)) !== this.#directory[2 * bucket + 1]) return false;
      }
      await new Promise(setImmediate);
    }
    return true;
  }
}

/** Where in `words`, from `start` to `end`, the record with the hash that `hashes` has at `hash` is, or -1. */
export function recordOf(words: Uint32Array, start: number, end: number, hashes: Uint32Array, hash: number): number {
  const [first, second, third] = [hashes[hash], hashes[hash + 1], hashes[hash + 2]];
  for (let at = start; at < end; at += RECORD_WORDS) {
    if (words[at] === first && words[at + 1] === second && words[at + 2] === third) return at;
  }
  return -1;
}

function readExactly(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readInto(bytes, file, position);
  return bytes;
}

function readInto(bytes: Buffer, file: number, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = readSync(file, bytes, done, bytes.length - done, position + done);
    if (count === 0) break; // the checksum tells
    done += count;
  }
}

/** The bytes of words. */
export function bytesOf(words: Uint32Array): Buffer {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength);
}

/** A view of bytes that start at a multiple of four. */
function wordsOf(bytes: Buffer): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function damagedIndex(path: string, cause?: unknown): RankDistillmError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RankDistillmError('io', `${path}: the collection index is damaged${why}`, {
    hint: discardIndex(path),
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Removes an index that does not fit its collection, so that the next call builds it again.
 *
 * @returns the hint for the error
 */
export function discardIndex(path: string): string {
  try {
    rmSync(path, { force: true });
    return 'Run the command again: the index has been removed and will be rebuilt.';
  } catch {
    return `Delete ${path} and run the command again: it will be rebuilt.`;
  }
}
