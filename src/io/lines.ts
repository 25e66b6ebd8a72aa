import { isUtf8 } from 'node:buffer';
import { at, RankDistillmError } from '../errors.js';
import { lookAt, plainBytes } from './plain-bytes.js';

/** A line without its end (LF or CRLF). */
export interface Line {
  text: string;
  /** 1-based. */
  number: number;
  /** Where the line starts in the decompressed content, in bytes. */
  offset: number;
  /** Length in bytes, without the line's end. */
  length: number;
}

const LF = 10;
const CR = 13;
const LOOK_BYTES = 4096;
/**
 * Far above any valid line. Without a limit a damaged file or a gzip bomb would fill the memory; JSON takes up to twenty
 * times its size there, and while a line is parsed nothing else runs.
 */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * Lines of a text file, in blocks (a promise per line would cost more than reading it). Gzip is detected by content.
 * Strips a byte order mark and carriage returns and skips blank lines; throws, naming the line, for bytes that are not
 * UTF-8 and for overlong lines. Accepts pipes.
 *
 * @param look called with the first 4096 bytes before the first line, to detect a format
 */
export function readLines(path: string, look?: (start: Buffer) => void): AsyncGenerator<Line[]> {
  const chunks = plainBytes(path);
  return linesOf(look === undefined ? chunks : lookAt(chunks, LOOK_BYTES, look), path);
}

/** The same for any bytes, as soon as a line is complete. `name` names the source in errors. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Line[]> {
  for await (const { lines } of blocksOf(chunks, name, splitLines)) if (lines.length > 0) yield lines;
}

/** Bytes of whole lines, and what was made of those lines. */
export interface Block<T> {
  /** Valid until the next block is asked for. */
  bytes: Buffer;
  /** Where the block starts in the decompressed content, in bytes. */
  offset: number;
  /** Without blank lines. */
  lines: T[];
}

/**
 * The lines as soon as they are complete, with their bytes.
 *
 * @param split as `splitLines`; what it makes of a line
 */
export async function* blocksOf<T>(
  chunks: AsyncIterable<Buffer>,
  name: string,
  split: (block: Buffer, place: BlockPlace) => SplitBlock<T>,
): AsyncGenerator<Block<T>> {
  let rest: Buffer[] = []; // copies: a source may use its chunks again
  let restBytes = 0;
  let offset = 0;
  let number = 1;
  const blockOf = (bytes: Buffer): Block<T> => {
    const { lines, count } = split(bytes, { name, offset, number });
    const block = { bytes, offset, lines };
    offset += bytes.length;
    number += count;
    return block;
  };
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(LF) + 1;
    let start = 0;
    if (end > 0 && restBytes > 0) {
      start = chunk.indexOf(LF) + 1;
      yield blockOf(Buffer.concat([...rest, chunk.subarray(0, start)]));
      [rest, restBytes] = [[], 0];
    }
    if (start < end) yield blockOf(chunk.subarray(start, end));
    if (end === chunk.length) continue;
    rest.push(Buffer.from(chunk.subarray(end)));
    restBytes += chunk.length - end;
    if (restBytes > MAX_LINE_BYTES) throw endlessLine(at(name, number));
  }
  if (restBytes > 0) yield blockOf(Buffer.concat(rest));
}

/** Position of a block of bytes: the file's name, the byte offset and the number of the first line. */
export interface BlockPlace {
  name: string;
  offset: number;
  number: number;
}

export interface SplitBlock<T> {
  lines: T[];
  /** Number of lines, with blank ones. */
  count: number;
}

/** Splits bytes that start at a line start into lines. */
export function splitLines(block: Buffer, place: BlockPlace): SplitBlock<Line> {
  const lines: Line[] = [];
  const count = eachLine(block, place, (start, end, number) => {
    const text = block.toString('utf8', start, end);
    if (text.trim() !== '') lines.push({ text, number, offset: place.offset + start, length: end - start });
  });
  return { lines, count };
}

/**
 * Calls `take` with where each line starts and ends in the block, and its number. Returns the number of lines.
 *
 * @throws RankDistillmError `bad_input`, naming the line, for bytes that are not UTF-8
 */
export function eachLine(
  block: Buffer,
  place: BlockPlace,
  take: (start: number, end: number, number: number) => void,
): number {
  if (!isUtf8(block)) throw notUtf8(block, place);
  let count = 0;
  let start = place.offset === 0 && hasByteOrderMark(block) ? 3 : 0;
  while (start < block.length) {
    const newline = block.indexOf(LF, start);
    const next = newline === -1 ? block.length : newline + 1;
    let end = newline === -1 ? block.length : newline;
    if (end > start && block[end - 1] === CR) end -= 1;
    take(start, end, place.number + count);
    count += 1;
    start = next;
  }
  return count;
}

function hasByteOrderMark(block: Buffer): boolean {
  return block[0] === 0xef && block[1] === 0xbb && block[2] === 0xbf;
}

function notUtf8(block: Buffer, place: BlockPlace): RankDistillmError {
  let number = place.number;
  let start = 0;
  for (;;) {
    const newline = block.indexOf(LF, start);
    const end = newline === -1 ? block.length : newline;
    if (newline === -1 || !isUtf8(block.subarray(start, end))) break;
    number += 1;
    start = end + 1;
  }
  return notUtf8Error(at(place.name, number), place.offset === 0 ? block : undefined);
}

/** @param start first bytes of the file, if available */
export function notUtf8Error(place: string, start?: Buffer): RankDistillmError {
  const mark = start?.toString('hex', 0, 2);
  const [what, from] = mark === 'fffe' || mark === 'feff' ? ['is UTF-16', 'UTF-16'] : ['is not valid UTF-8', 'LATIN1'];
  return new RankDistillmError('bad_input', `${place}: the text ${what}`, {
    hint: `Convert the file to UTF-8${from === 'LATIN1' ? ', for example' : ''} with \`iconv -f ${from} -t UTF-8\`.`,
  });
}

function endlessLine(place: string): RankDistillmError {
  return new RankDistillmError('bad_input', `${place}: the line is longer than ${MAX_LINE_BYTES >> 20} MiB`, {
    hint: 'This does not look like a text file with one record per line; check what it is.',
  });
}
