import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { at, RankDistillmError } from '../../errors.js';
import { gzipsInTar } from '../../fetch/unpack.js';
import { runAhead } from '../../io/ahead.js';
import { blocksOf } from '../../io/lines.js';
import { isGzip, isTar, plainBytes } from '../../io/plain-bytes.js';
import { chunksOf, readRegion } from '../../io/regions.js';
import { detectTextFormat, documentLines, type TextFormat, textRecord } from '../formats/texts.js';
import type { Region } from './document-index.js';
import { type CollectionIndexOptions, type IndexedFile, openIndexedFile } from './index-cache.js';
import type { IndexEntries, IndexSource } from './index-writer.js';

/** Size of text by that of its gzip, about. */
const TEXT_COMPRESSION = 3;
/** Chunks read ahead of the one that is parsed. */
const CHUNKS_AHEAD = 2;

/** A collection with its index, open for reading. `plain` is its unpacked copy when it is packed. */
export interface IndexedCollection extends IndexedFile {
  format: TextFormat;
  isCopy: boolean;
}

/** Opens a collection with its index, see `openIndexedFile`; unpacks a gzip, or a tar of gzip files, into a copy. */
export async function openIndexed(path: string, options: CollectionIndexOptions = {}): Promise<IndexedCollection> {
  const isPacked = await isGzip(path); // refuses a pipe
  const unpack = isPacked ? plainBytes : (await isTar(path)) ? gzipsInTar : undefined;
  const format = await detectTextFormat(path, unpack);
  const isCopy = unpack !== undefined;
  const file = await openIndexedFile(
    path,
    {
      name: 'collections',
      options: [],
      isCopy,
      expansion: isCopy ? TEXT_COMPRESSION : 1,
      read: (plain) =>
        linesOf(path, format, plain, isCopy ? copied(unpack(path), plain) : chunksOf(plain, path, CHUNKS_AHEAD + 1)),
    },
    options,
  );
  return { ...file, format, isCopy };
}

function linesOf(path: string, format: TextFormat, plain: FileHandle, chunks: AsyncIterable<Buffer>) {
  async function* entries(): AsyncGenerator<IndexEntries> {
    const blocks = blocksOf(runAhead(chunks, CHUNKS_AHEAD), path, documentLines(format));
    for await (const { bytes, offset: first, lines } of blocks) {
      yield {
        entries: lines.map(({ id, number, offset, length }) => {
          const checksum = crc32(bytes.subarray(offset - first, offset - first + length));
          return { id, line: number, offset, length, checksum };
        }),
        plainBytes: first + bytes.length,
      };
    }
  }
  const recordAt = async ({ offset, length, line }: Region) => {
    const bytes = await readRegion(plain, offset, length, path);
    return textRecord(bytes.toString(), format, 'document', path, line);
  };
  return {
    entries: entries(),
    // the same text may be written in two ways
    compare: async (before, now) => {
      const [{ text: one }, { id, text: other }] = [await recordAt(before), await recordAt(now)];
      return one === other ? undefined : { id, line: now.line, first: before.line };
    },
    refuse: ({ id, line, first }) =>
      new RankDistillmError('bad_input', `${at(path, line)}: document '${id}' has a different text on line ${first}`, {
        hint: 'Keep one of the two lines, or give one document another id.',
      }),
  } satisfies Pick<IndexSource, 'entries' | 'compare' | 'refuse'>;
}

/** Writes what passes through: a line is checked before the rest is unpacked. */
async function* copied(chunks: AsyncIterable<Buffer>, file: FileHandle): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await file.writeFile(chunk);
    yield chunk;
  }
}
