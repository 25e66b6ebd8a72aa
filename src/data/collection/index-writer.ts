import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { at, RankDistillmError, throwIfAborted } from '../../errors.js';
import { blocksOf } from '../../io/lines.js';
import { readRegion } from '../../io/regions.js';
import { type TextFormat, textRecord, type TextRecord } from '../formats/texts.js';
import {
  hashInto,
  layoutOf,
  packHeader,
  RECORD_BYTES,
  regionAt,
  regionInto,
  type Region,
  wordsOf,
} from './document-index.js';

// Records are first dealt into partitions by their hash, on disk; then each partition is read, grouped into buckets and
// written to the index. So the memory does not grow with the collection, and nothing but a partition is ever sorted.

const RECORD_WORDS = RECORD_BYTES / 4;
/** Text for which a partition is made: some 10,000 documents, sorted in the processor's cache. */
const PARTITION_TEXT_BYTES = 4 * 2 ** 20;
/** Beyond this the partitions grow: their buffers have 32 MiB in total. */
const MOST_PARTITION_BITS = 10;
/** Records that a partition holds in memory before they are written to disk. */
const HELD_RECORDS = 1024;
/** Buckets are made for this many documents on average, so that a lookup reads a few hundred bytes. */
const BUCKET_DOCUMENTS = 16;
/** A longer id is a text: the columns are swapped. */
const MAX_ID_BYTES = 1900;

/** A collection to index. */
export interface IndexSource {
  /** The collection's path, for errors. */
  path: string;
  format: TextFormat;
  /** Says which version of which collection this is, see `STAMP_CHARACTERS`. */
  stamp: string;
  /** About how many bytes there are; any number will do. */
  expectedBytes: number;
  /** The plain text in order. */
  chunks: AsyncIterable<Buffer>;
  /** The same for reading at any place, as far as `chunks` has come. */
  plain: FileHandle;
}

interface IndexProgress {
  /** Called with the number of documents so far. */
  onProgress?: ((documents: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Writes the index of a collection to `target`, in a folder of its own. Checks every line. */
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
  /** Where full `words` were written. */
  pieces: number[];
}

/** Records on disk, dealt by the first bits of their hash. */
class Partitions {
  readonly bits: number;
  documents = 0;
  readonly #file: FileHandle;
  readonly #held: Partition[];
  #end = 0;

  constructor(expectedBytes: number, file: FileHandle) {
    const bits = Math.ceil(Math.log2(expectedBytes / PARTITION_TEXT_BYTES));
    this.bits = Math.min(MOST_PARTITION_BITS, Math.max(1, bits));
    this.#file = file;
    this.#held = Array.from({ length: 2 ** this.bits }, () => {
      return { words: new Uint32Array(HELD_RECORDS * RECORD_WORDS), count: 0, pieces: [] };
    });
  }

  /** Adds a record; a promise only where the disk has to be waited for. */
  add(record: Uint32Array): Promise<void> | undefined {
    const held = this.#held[record[0]! >>> (32 - this.bits)]!;
    held.words.set(record, held.count * RECORD_WORDS);
    held.count += 1;
    this.documents += 1;
    return held.count === HELD_RECORDS ? this.#flush(held) : undefined;
  }

  /** The records of a partition in the order in which they were added, in pieces. */
  async *read(partition: number): AsyncGenerator<Uint32Array> {
    const { words, count, pieces } = this.#held[partition]!;
    for (const offset of pieces) {
      yield wordsOf(await readRegion(this.#file, offset, words.byteLength, 'a temporary file'));
    }
    yield words.subarray(0, count * RECORD_WORDS);
  }

  async #flush(held: Partition): Promise<void> {
    const offset = this.#end;
    this.#end += held.words.byteLength;
    await writeFully(this.#file, bytesOf(held.words), offset);
    held.pieces.push(offset);
    held.count = 0;
  }
}

/** Reads the collection into the partitions. Returns the number of its bytes. */
async function deal(
  { path, format, chunks }: IndexSource,
  partitions: Partitions,
  { onProgress, signal }: IndexProgress,
): Promise<number> {
  const record = new Uint32Array(RECORD_WORDS);
  let size = 0;
  for await (const { bytes, offset: first, lines } of blocksOf(chunks, path)) {
    throwIfAborted(signal);
    for (const { text, number, offset, length } of lines) {
      const { id } = textRecord(text, format, 'document', path, number);
      if (id.length > MAX_ID_BYTES / 3 && Buffer.byteLength(id) > MAX_ID_BYTES) throw longId(path, number);
      const checksum = crc32(bytes.subarray(offset - first, offset - first + length));
      hashInto(record, 0, id);
      regionInto(record, 0, { offset, length, line: number, checksum });
      const written = partitions.add(record);
      if (written !== undefined) await written;
    }
    size = first + bytes.length;
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
  let documents = 0;
  for (let partition = 0; partition < 2 ** partitions.bits; partition++) {
    throwIfAborted(signal);
    const kept = await duplicates.drop(partitions.read(partition));
    const { grouped, ends } = groupByBucket(kept, bucketBits, buckets);
    for (let bucket = 0, start = 0; bucket < buckets; start = ends[bucket++]!) {
      const at = 2 * (partition * buckets + bucket);
      directory[at] = documents + ends[bucket]!;
      directory[at + 1] = crc32(bytesOf(grouped.subarray(start * RECORD_WORDS, ends[bucket]! * RECORD_WORDS)));
    }
    await writeFully(file, bytesOf(grouped), layoutOf(documents).directory);
    documents += grouped.length / RECORD_WORDS;
  }
  duplicates.refuse();
  const bytes = bytesOf(directory);
  await writeFully(file, bytes, layoutOf(documents).directory);
  const header = packHeader({ stamp: source.stamp, documents, bucketBits, plainBytes, directory: crc32(bytes) });
  await writeFully(file, header, 0);
}

/** Counting sort of a partition's records by bucket. `ends`: where those of each bucket end. */
function groupByBucket(words: Uint32Array, bucketBits: number, buckets: number) {
  const bucketOf = (at: number): number => (words[at]! >>> (32 - bucketBits)) % buckets;
  const ends = new Uint32Array(buckets);
  for (let at = 0; at < words.length; at += RECORD_WORDS) ends[bucketOf(at)]! += 1;
  for (let bucket = 1; bucket < buckets; bucket++) ends[bucket]! += ends[bucket - 1]!;
  const next = ends.slice();
  const grouped = new Uint32Array(words.length);
  for (let at = words.length - RECORD_WORDS; at >= 0; at -= RECORD_WORDS) {
    const to = --next[bucketOf(at)]! * RECORD_WORDS;
    for (let word = 0; word < RECORD_WORDS; word++) grouped[to + word] = words[at + word]!;
  }
  return { grouped, ends };
}

/** Finds documents that occur more than once: with the same text they are ignored, with another they are an error. */
class Duplicates {
  readonly #source: IndexSource;
  /** The first line that gives a document another text. */
  #conflict: { id: string; line: number; first: number } | undefined;

  constructor(source: IndexSource) {
    this.#source = source;
  }

  /** The records without those of ids that came before. */
  async drop(pieces: AsyncIterable<Uint32Array>): Promise<Uint32Array> {
    let kept = new Uint32Array(4 * HELD_RECORDS * RECORD_WORDS);
    let end = 0;
    // the first 32 bits are much alike within a partition
    const positions = new Map<number, number[]>();
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; at += RECORD_WORDS) {
        const record = piece.subarray(at, at + RECORD_WORDS);
        const known = positions.get(record[1]!);
        const before = known?.find((position) => kept[position] === record[0] && kept[position + 2] === record[2]);
        if (before !== undefined) {
          await this.#compare(regionAt(kept, before), regionAt(record, 0));
          continue;
        }
        if (known === undefined) positions.set(record[1]!, [end]);
        else known.push(end);
        if (end === kept.length) {
          const larger = new Uint32Array(2 * kept.length);
          larger.set(kept);
          kept = larger;
        }
        kept.set(record, end);
        end += RECORD_WORDS;
      }
    }
    return kept.subarray(0, end);
  }

  /** @throws RankDistillmError `bad_input` if a document has two texts */
  refuse(): void {
    if (this.#conflict === undefined) return;
    const { id, line, first } = this.#conflict;
    throw new RankDistillmError(
      'bad_input',
      `${at(this.#source.path, line)}: document '${id}' has a different text on line ${first}`,
      { hint: 'Keep one of the two lines, or give one document another id.' },
    );
  }

  async #compare(before: Region, now: Region): Promise<void> {
    if (before.length === now.length && before.checksum === now.checksum) return;
    if (this.#conflict !== undefined && this.#conflict.line <= now.line) return;
    const [{ text: one }, { id, text: other }] = [await this.#record(before), await this.#record(now)];
    if (one !== other) this.#conflict = { id, line: now.line, first: before.line };
  }

  async #record({ offset, length, line }: Region): Promise<TextRecord> {
    const { path, plain, format } = this.#source;
    const bytes = await readRegion(plain, offset, length, path);
    return textRecord(bytes.toString(), format, 'document', path, line);
  }
}

function longId(path: string, line: number): RankDistillmError {
  return new RankDistillmError('bad_input', `${at(path, line)}: the document id is longer than ${MAX_ID_BYTES} bytes`, {
    hint: 'Check that the columns are not swapped.',
  });
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
