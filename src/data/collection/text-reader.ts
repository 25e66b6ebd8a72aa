import { isAscii } from 'node:buffer';
import { readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { ioError } from '../../errors.js';
import { repairUtf8 } from '../../io/text.js';
import { DocumentIndex, type Region, type SharedIndex } from './document-index.js';
import {
  MERGE_BYTES,
  MERGE_GAP_BYTES,
  nameOf,
  notAsIndexed,
  textIn,
  type TextSource,
  unknownDocument,
} from './text-places.js';

/** Lines that are read into one buffer. */
const BLOCK_BYTES = 64 * 2 ** 20;
const TAB = 9;

/** Texts of documents, in the order asked for, as parts of the bytes that were read: strings would be copied twice. */
export interface TextBlock {
  /** [documents, 2] places of four bytes: where each text starts and ends in this buffer; then the lines. */
  buffer: ArrayBuffer;
  documents: number;
}

/** Views of a block. */
export function viewsOf({ buffer, documents }: TextBlock): { places: Uint32Array; bytes: Buffer } {
  return { places: new Uint32Array(buffer, 0, 2 * documents), bytes: Buffer.from(buffer) };
}

/** Reads a collection's texts with blocking reads, for a thread of their own. */
export class TextReader {
  readonly #source: TextSource;
  readonly #index: DocumentIndex;

  constructor(source: TextSource, index: SharedIndex) {
    this.#source = source;
    this.#index = new DocumentIndex(index);
  }

  /**
   * Texts in the order of `docIds`; as bytes where the file holds them as they are.
   *
   * @param spare a buffer to use again if it is large enough
   */
  read(docIds: readonly string[], run: string | undefined, spare?: ArrayBuffer): string[] | TextBlock[] {
    const regions = new Array<Region>(docIds.length);
    for (let i = 0; i < docIds.length; i++) {
      const region = this.#index.find(docIds[i]!);
      if (region === undefined) throw unknownDocument(docIds[i]!, this.#source.path, run);
      regions[i] = region;
    }
    const { format, repairs } = this.#source;
    const isAsItIs = format === 'tsv';
    const blocks: TextBlock[] = [];
    const texts: string[] = [];
    for (let first = 0, end = 0; first < docIds.length; first = end) {
      for (let bytes = 0; end < docIds.length && (end === first || bytes <= BLOCK_BYTES); end++) {
        bytes += regions[end]!.length;
      }
      const block = this.#readLines(regions.slice(first, end), first === 0 ? spare : undefined);
      const { places, bytes } = viewsOf(block);
      for (let i = first, at = 0; i < end; i++, at += 2) {
        const [from, to] = [places[at]!, places[at + 1]!];
        if (isAsItIs) places[at] = this.#textStart(bytes, from, to, docIds[i]!);
        else texts.push(textIn(bytes.subarray(from, to), docIds[i]!, regions[i]!.line, this.#source));
      }
      if (isAsItIs && repairs) repairIn(places, bytes);
      if (isAsItIs) blocks.push(block);
    }
    return isAsItIs ? blocks : texts;
  }

  /** The lines at `regions`, compared with their checksums. Neighbours are read together. */
  #readLines(regions: readonly Region[], spare: ArrayBuffer | undefined): TextBlock {
    const order = Uint32Array.from(regions, (_, i) => i).sort((a, b) => regions[a]!.offset - regions[b]!.offset);
    const starts = new Uint32Array(regions.length);
    const head = 8 * regions.length;
    /** [reads, 2]: offset and length. */
    const reads: number[] = [];
    let start = 0;
    let end = -Infinity;
    let total = head;
    for (const i of order) {
      const { offset, length } = regions[i]!;
      const newEnd = Math.max(end, offset + length);
      if (offset - end <= MERGE_GAP_BYTES && newEnd - start <= MERGE_BYTES) {
        total += newEnd - end;
        reads[reads.length - 1] = newEnd - start;
        end = newEnd;
      } else {
        total += length;
        reads.push(offset, length);
        start = offset;
        end = offset + length;
      }
      starts[i] = total - (end - offset);
    }
    const buffer = spare !== undefined && spare.byteLength >= total ? spare : new ArrayBuffer(total);
    const block = { buffer, documents: regions.length };
    const { places, bytes } = viewsOf(block);
    for (let read = 0, at = head; read < reads.length; read += 2) {
      this.#readInto(bytes, at, reads[read]!, reads[read + 1]!);
      at += reads[read + 1]!;
    }
    for (const [i, { length, checksum }] of regions.entries()) {
      const [from, to] = [starts[i]!, starts[i]! + length];
      places[2 * i] = from;
      places[2 * i + 1] = to;
      if (crc32(bytes.subarray(from, to)) !== checksum) throw notAsIndexed(this.#source);
    }
    return block;
  }

  #readInto(bytes: Buffer, at: number, offset: number, length: number): void {
    for (let done = 0; done < length;) {
      let count: number;
      try {
        count = readSync(this.#source.file, bytes, at + done, length - done, offset + done);
      } catch (error) {
        throw ioError('read', nameOf(this.#source), error);
      }
      if (count === 0) throw notAsIndexed(this.#source);
      done += count;
    }
  }

  /** Where the text of a line of id, tab and text starts. */
  #textStart(bytes: Uint8Array, start: number, end: number, docId: string): number {
    let length = docId.length;
    for (let i = 0; i < docId.length; i++) {
      if (bytes[start + i] === docId.charCodeAt(i)) continue;
      // not ASCII, or another document
      const id = Buffer.from(docId);
      if (id.compare(bytes, start, Math.min(end, start + id.length)) !== 0) throw notAsIndexed(this.#source);
      length = id.length;
      break;
    }
    if (start + length >= end || bytes[start + length] !== TAB) throw notAsIndexed(this.#source);
    return start + length + 1;
  }
}

/** Applies `repairUtf8`, which makes texts shorter, to the texts of a block. */
function repairIn(places: Uint32Array, bytes: Buffer): void {
  /** Ends of repaired texts by where they start: a text may have been asked for twice. */
  const ends = new Map<number, number>();
  for (let at = 0; at < places.length; at += 2) {
    const [start, end] = [places[at]!, places[at + 1]!];
    let repaired = ends.get(start);
    if (repaired === undefined) {
      const text = bytes.subarray(start, end);
      if (isAscii(text)) continue;
      repaired = start + bytes.write(repairUtf8(text.toString()), start, end - start);
      ends.set(start, repaired);
    }
    places[at + 1] = repaired;
  }
}
