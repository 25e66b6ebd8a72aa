import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { at, RankDistillmError, throwIfAborted } from '../../errors.js';
import { fillFrom } from '../../io/regions.js';
import {
  bytesOf,
  hashInto,
  layoutOf,
  packHeader,
  RECORD_BYTES,
  recordOf,
  regionAt,
  regionInto,
  type Region,
} from './document-index.js';

// Records are first dealt into partitions by their hash, on disk; then each partition is read, grouped into buckets and
// written to the index. So the memory does not grow with the collection, and nothing but a partition is ever sorted.

const RECORD_WORDS = RECORD_BYTES / 4;
/** Text for which a partition is made: some 10,000 documents, sorted in the processor's cache. */
const PARTITION_TEXT_BYTES = 4 * 2 ** 20;
/** Beyond this the partitions grow: their buffers have 32 MiB in total. */
const MOST_PARTITION_BITS = 10;
/** Records that a partition holds in memory before they are written to disk. */
const HELD_RECORDS = 256;
/** Buckets are made for this many documents on average, so that a lookup reads a few hundred bytes. */
const BUCKET_DOCUMENTS = 16;
/** A longer id is a text: the columns are swapped. */
const MAX_ID_BYTES = 1900;

/** A line to index. */
export interface IndexEntry extends Region {
  id: string;
}

export interface IndexEntries {
  entries: IndexEntry[];
  /** Size of the plain file so far. */
  plainBytes: number;
}

/** Two lines with the same id and different contents. */
interface Conflict {
  id: string;
  line: number;
  first: number;
}

/** A file to index. */
export interface IndexSource {
  /** Its path, for errors. */
  path: string;
  /** Says which version of which file this is, see `STAMP_CHARACTERS`. */
  stamp: string;
  /** About how many bytes there are; any number will do. */
  expectedBytes: number;
  /** Its lines, in order. */
  entries: AsyncIterable<IndexEntries>;
  /** Compares two lines with the same id, whose bytes differ. */
  compare: (before: Region, now: Region) => Promise<Conflict | undefined>;
  /** The error where two lines conflict. */
  refuse: (conflict: Conflict) => RankDistillmError;
}

interface IndexProgress {
  /** Called with the number of documents so far. */
  onProgress?: ((documents: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Writes the index of a file to `target`, in a folder of its own. */
export async function writeIndex(source: IndexSource, target: string, mode: number, progress: IndexProgress) {
  const parts = await open(`${target}.parts`, 'wx+', 0o600);
  const file = await open(target, 'wx', mode);
  try {
    const partitions = new Partitions(source.expectedBytes, parts);
    const plainBytes = await deal(source, partitions, progress);
    await collect(source, plainBytes, partitions, file, progress.signal);
    await file.sync();
  } finally {
    await file.close();
    await parts.close();
  }
}

interface Partition {
  /** Records in memory. */
  words: Uint32Array;
  count: number;
  /** Where full `words` are, or will be, written. */
  pieces: number[];
}

interface FullPiece {
  words: Uint32Array;
  offset: number;
}

/** Memory for the words of one partition after another: the garbage collector would let a hundred MB of it pile up. */
class Scratch {
  #words = new Uint32Array(0);

  take(words: number): Uint32Array {
    if (words > this.#words.length) this.#words = new Uint32Array(Math.ceil(1.25 * words));
    return this.#words.subarray(0, words);
  }
}

/** Records on disk, dealt by the first bits of their hash. */
class Partitions {
  readonly bits: number;
  documents = 0;
  readonly #file: FileHandle;
  readonly #held: Partition[];
  #full: FullPiece[] = [];
  readonly #spare: Uint32Array[] = [];
  readonly #read = new Scratch();
  #end = 0;

  constructor(expectedBytes: number, file: FileHandle) {
    const bits = Math.ceil(Math.log2(expectedBytes / PARTITION_TEXT_BYTES));
    this.bits = Math.min(MOST_PARTITION_BITS, Math.max(1, bits));
    this.#file = file;
    this.#held = Array.from({ length: 2 ** this.bits }, () => {
      return { words: new Uint32Array(HELD_RECORDS * RECORD_WORDS), count: 0, pieces: [] };
    });
  }

  /** Adds a record to memory. */
  add(record: Uint32Array): void {
    const held = this.#held[record[0]! >>> (32 - this.bits)]!;
    held.words.set(record, held.count * RECORD_WORDS);
    held.count += 1;
    this.documents += 1;
    if (held.count < HELD_RECORDS) return;
    this.#full.push({ words: held.words, offset: this.#end });
    held.pieces.push(this.#end);
    this.#end += held.words.byteLength;
    held.words = this.#spare.pop() ?? new Uint32Array(HELD_RECORDS * RECORD_WORDS);
    held.count = 0;
  }

  /** Writes what does not have to stay in memory. Call it between blocks. */
  async flush(): Promise<void> {
    for (const { words, offset } of this.#full) {
      await writeFully(this.#file, bytesOf(words), offset);
      this.#spare.push(words);
    }
    this.#full = [];
  }

  /** The records of a partition in the order in which they were added, until the next call. */
  async read(partition: number): Promise<Uint32Array> {
    const { words, count, pieces } = this.#held[partition]!;
    const all = this.#read.take(pieces.length * words.length + count * RECORD_WORDS);
    for (const [i, offset] of pieces.entries()) {
      const piece = all.subarray(i * words.length, (i + 1) * words.length);
      await fillFrom(this.#file, offset, bytesOf(piece), 'a temporary file');
    }
    all.set(words.subarray(0, count * RECORD_WORDS), pieces.length * words.length);
    return all;
  }
}

/** Puts the entries into the partitions. Returns the size of the plain file. */
async function deal(
  { path, entries: blocks }: IndexSource,
  partitions: Partitions,
  { onProgress, signal }: IndexProgress,
): Promise<number> {
  const record = new Uint32Array(RECORD_WORDS);
  let size = 0;
  for await (const { entries, plainBytes } of blocks) {
    throwIfAborted(signal);
    for (const entry of entries) {
      const { id } = entry;
      if (id.length > MAX_ID_BYTES / 3 && Buffer.byteLength(id) > MAX_ID_BYTES) throw longId(path, entry.line);
      hashInto(record, 0, id);
      regionInto(record, 0, entry);
      partitions.add(record);
    }
    await partitions.flush();
    size = plainBytes;
    onProgress?.(partitions.documents);
  }
  if (partitions.documents > 0) return size;
  throw new RankDistillmError('bad_input', `${path}: the collection is empty`, {
    hint: 'A collection has one document a line: document id, tab, text.',
  });
}

/** Writes records, directory and header. */
async function collect(
  source: IndexSource,
  plainBytes: number,
  partitions: Partitions,
  file: FileHandle,
  signal: AbortSignal | undefined,
): Promise<void> {
  const perBucket = Math.ceil(Math.log2(partitions.documents / BUCKET_DOCUMENTS));
  const bucketBits = Math.max(partitions.bits, perBucket);
  const directory = new Uint32Array(2 * 2 ** bucketBits);
  const buckets = 2 ** (bucketBits - partitions.bits);
  const duplicates = new Duplicates(source);
  const scratch = new Scratch();
  let documents = 0;
  for (let partition = 0; partition < 2 ** partitions.bits; partition++) {
    throwIfAborted(signal);
    const words = await partitions.read(partition);
    const grouped = scratch.take(words.length);
    const ends = groupByBucket(words, grouped, bucketBits, buckets);
    await duplicates.drop(grouped, ends);
    for (let bucket = 0, start = 0; bucket < buckets; start = ends[bucket++]!) {
      const at = 2 * (partition * buckets + bucket);
      directory[at] = documents + ends[bucket]!;
      directory[at + 1] = crc32(bytesOf(grouped.subarray(start * RECORD_WORDS, ends[bucket]! * RECORD_WORDS)));
    }
    const records = ends.at(-1)!;
    await writeFully(file, bytesOf(grouped.subarray(0, records * RECORD_WORDS)), layoutOf(documents).directory);
    documents += records;
  }
  duplicates.refuse();
  const bytes = bytesOf(directory);
  await writeFully(file, bytes, layoutOf(documents).directory);
  const header = packHeader({ stamp: source.stamp, documents, bucketBits, plainBytes, directory: crc32(bytes) });
  await writeFully(file, header, 0);
}

/** Counting sort of a partition's records by bucket, stable. Returns where those of each bucket end. */
function groupByBucket(words: Uint32Array, grouped: Uint32Array, bucketBits: number, buckets: number): Uint32Array {
  const bucketOf = (at: number): number => (words[at]! >>> (32 - bucketBits)) % buckets;
  const ends = new Uint32Array(buckets);
  for (let at = 0; at < words.length; at += RECORD_WORDS) ends[bucketOf(at)]! += 1;
  for (let bucket = 1; bucket < buckets; bucket++) ends[bucket]! += ends[bucket - 1]!;
  const next = ends.slice();
  for (let at = words.length - RECORD_WORDS; at >= 0; at -= RECORD_WORDS) {
    const to = --next[bucketOf(at)]! * RECORD_WORDS;
    for (let word = 0; word < RECORD_WORDS; word++) grouped[to + word] = words[at + word]!;
  }
  return ends;
}

/** Finds documents that occur more than once: with the same text they are ignored, with another they are an error. */
class Duplicates {
  readonly #source: IndexSource;
  /** The first line that gives a document another text. */
  #conflict: Conflict | undefined;

  constructor(source: IndexSource) {
    this.#source = source;
  }

  /** Removes the records of ids that came before: moves the others to the front, and `ends` with them. */
  async drop(grouped: Uint32Array, ends: Uint32Array): Promise<void> {
    let next = 0;
    for (let bucket = 0, at = 0; bucket < ends.length; bucket++) {
      const start = next;
      for (const end = ends[bucket]! * RECORD_WORDS; at < end; at += RECORD_WORDS) {
        const before = recordOf(grouped, start, next, grouped, at);
        if (before !== -1) {
          await this.#compare(regionAt(grouped, before), regionAt(grouped, at));
          continue;
        }
        if (next < at) grouped.copyWithin(next, at, at + RECORD_WORDS);
        next += RECORD_WORDS;
      }
      ends[bucket] = next / RECORD_WORDS;
    }
  }

  /** @throws RankDistillmError `bad_input` if a document has two texts */
  refuse(): void {
    if (this.#conflict !== undefined) throw this.#source.refuse(this.#conflict);
  }

  async #compare(before: Region, now: Region): Promise<void> {
    if (before.length === now.length && before.checksum === now.checksum) return;
    if (this.#conflict !== undefined && this.#conflict.line <= now.line) return;
    this.#conflict = (await this.#source.compare(before, now)) ?? this.#conflict;
  }
}

function longId(path: string, line: number): RankDistillmError {
  return new RankDistillmError('bad_input', `${at(path, line)}: the document id is longer than ${MAX_ID_BYTES} bytes`, {
    hint: 'Check that the columns are not swapped.',
  });
}

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
