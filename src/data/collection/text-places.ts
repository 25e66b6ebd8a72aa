import { crc32 } from 'node:zlib';
import { RankDistillmError } from '../../errors.js';
import { changedWhileRead } from '../../io/regions.js';
import { repairUtf8 } from '../../io/text.js';
import { type TextFormat, textRecord } from '../formats/texts.js';
import { discardIndex, type DocumentIndex, type Region } from './document-index.js';

/** Documents closer than this are read together: a read call costs about as much as copying this many bytes. */
export const MERGE_GAP_BYTES = 8 * 1024;
/** Largest single read. */
export const MERGE_BYTES = 1024 * 1024;

/** The file that texts are read from. */
export interface TextSource {
  /** The path the caller gave, for errors. */
  path: string;
  format: TextFormat;
  /** The collection itself, or its unpacked copy when it is gzipped. */
  plain: string;
  /** Its descriptor, which all threads of the process share: another file under its name is another collection. */
  file: number;
  /** The collection's index, which is removed if it does not fit what is read. */
  index: string;
  /** Whether `plain` is an unpacked copy. */
  isCopy: boolean;
  /** Apply `repairUtf8` to the texts. */
  repairs: boolean;
}

/** Position of a document's line. */
export interface Place extends Region {
  docId: string;
}

/** A requested document. */
export interface Wanted extends Place {
  /** Its positions in the answer. */
  positions: number[];
}

/** Documents read with one call. */
export interface ReadGroup {
  /** Byte offset in the file. */
  offset: number;
  length: number;
  places: Place[];
}

/** Looks up the documents' positions, sorted by offset. The error for a missing document names `run`. */
export function locate(
  index: DocumentIndex,
  docIds: readonly string[],
  path: string,
  run: string | undefined,
): Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const [position, docId] of docIds.entries()) {
    const known = wanted.get(docId);
    if (known !== undefined) {
      known.positions.push(position);
      continue;
    }
    const region = index.find(docId);
    if (region === undefined) throw unknownDocument(docId, path, run);
    wanted.set(docId, { ...region, docId, positions: [position] });
  }
  return [...wanted.values()].sort((a, b) => a.offset - b.offset);
}

/** Joins neighbouring places, which must be in file order. */
export function groupReads(places: readonly Place[]): ReadGroup[] {
  const groups: ReadGroup[] = [];
  for (const place of places) {
    const last = groups.at(-1);
    const end = place.offset + place.length;
    if (
      last !== undefined &&
      place.offset - (last.offset + last.length) <= MERGE_GAP_BYTES &&
      end - last.offset <= MERGE_BYTES
    ) {
      last.places.push(place);
      last.length = end - last.offset;
    } else {
      groups.push({ offset: place.offset, length: place.length, places: [place] });
    }
  }
  return groups;
}

/** The name of the file in read errors. */
export function nameOf({ path, plain, isCopy }: TextSource): string {
  return isCopy ? plain : path;
}

/** The texts of a group, in its order, from its bytes. */
export function textsOf(group: ReadGroup, bytes: Buffer, source: TextSource): string[] {
  return group.places.map(({ docId, offset, length, line, checksum }) => {
    const start = offset - group.offset;
    const record = bytes.subarray(start, start + length);
    if (crc32(record) !== checksum) throw notAsIndexed(source);
    return textIn(record, docId, line, source);
  });
}

/** The text in the bytes of a document's line. */
export function textIn(bytes: Uint8Array, docId: string, line: number, source: TextSource): string {
  const lineText = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  const { id, text } = textRecord(lineText, source.format, 'document', source.path, line);
  if (id !== docId) throw notAsIndexed(source);
  return source.repairs ? repairUtf8(text) : text;
}

/** The error for a line that is not the one that was indexed. */
export function notAsIndexed({ path, plain, isCopy, index }: TextSource): RankDistillmError {
  const hint = discardIndex(index);
  return isCopy
    ? new RankDistillmError('io', `${plain}: the unpacked copy of ${path} is damaged`, { hint })
    : new RankDistillmError('io', changedWhileRead(path).message, { hint });
}

/** The error for a document that is not there. */
export function unknownDocument(docId: string, collection: string, run: string | undefined): RankDistillmError {
  const asked = run === undefined ? '' : ` (asked for by ${run})`;
  return new RankDistillmError('not_found', `document '${docId}' is not in the collection ${collection}${asked}`, {
    hint: 'Register the collection that the run was created from.',
  });
}
