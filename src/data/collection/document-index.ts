import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { RankDistillmError } from '../../errors.js';

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

/** An open index as other threads of the process can take it over. */
export interface SharedIndex {
  path: string;
  /** Descriptor of the file, which the thread that opened it closes. */
  file: number;
  header: Header;
  /** [2^bucketBits, 2], in shared memory: end and checksum of each bucket. */
  directory: Uint32Array;
}

/** A collection's index, open for reading: document id → position of its line. Built by `collectionIndex`. */
export class DocumentIndex {
  /** Words of the hash asked for. */
  readonly #wanted = new Uint32Array(HASH_WORDS);
  #bucket = new Uint32Array(64 * RECORD_WORDS);
  #bytes = bytesOf(this.#bucket);
  #isClosed = false;
  readonly #path: string;
  readonly #file: number;
  readonly #header: Header;
  readonly #directory: Uint32Array;

  /** An index that another thread has opened and keeps open. */
  constructor({ path, file, header, directory }: SharedIndex) {
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
      const directory = Buffer.from(new SharedArrayBuffer(bytes));
      readInto(directory, opened, start);
      if (crc32(directory) !== header.directory) return undefined;
      return new DocumentIndex({ path: at, file: opened, header, directory: wordsOf(directory) });
    }
  }

  /** This index for other threads, which must not use it after it is closed here. */
  get shared(): SharedIndex {
    return { path: this.#path, file: this.#file, header: this.#header, directory: this.#directory };
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

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#file);
  }

  /** Where the document's record is in `#bucket`, or -1. */
  #search(docId: string): number {
    // by now the descriptor may be another file's
    if (this.#isClosed) throw new RankDistillmError('closed', `${this.#path}: the collection is closed`);
    const wanted = this.#wanted;
    hashInto(wanted, 0, docId);
    const end = this.#read(wanted[0]! >>> (32 - this.#header.bucketBits));
    const words = this.#bucket;
    for (let at = 0; at < end; at += RECORD_WORDS) {
      if (words[at] === wanted[0] && words[at + 1] === wanted[1] && words[at + 2] === wanted[2]) return at;
    }
    return -1;
  }

  /** Reads the records of a bucket into `#bucket`. Returns the number of their words. */
  #read(bucket: number): number {
    const start = bucket === 0 ? 0 : this.#directory[2 * bucket - 2]!;
    const length = (this.#directory[2 * bucket]! - start) * RECORD_BYTES;
    if (length > this.#bytes.length) {
      this.#bucket = new Uint32Array(length / 2);
      this.#bytes = bytesOf(this.#bucket);
    }
    const position = layoutOf(this.#header.documents).records + start * RECORD_BYTES;
    let isRead: boolean;
    try {
      isRead = readSync(this.#file, this.#bytes, 0, length, position) === length;
    } catch (error) {
      throw damagedIndex(this.#path, error);
    }
    if (!isRead || crc32(this.#bytes.subarray(0, length)) !== this.#directory[2 * bucket + 1]) {
      throw damagedIndex(this.#path);
    }
    return length / 4;
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
export function wordsOf(bytes: Buffer): Uint32Array {
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
