import type { FileHandle } from 'node:fs/promises';
import { readRegion, spool } from '../io/regions.js';
import type { RunRecord } from './formats/run-record.js';

/** Characters of records buffered before they are written to disk. */
const HELD_CHARACTERS = 16 * 1024 * 1024;

interface Region {
  offset: number;
  length: number;
}

/**
 * Groups records by topic into a temporary file of JSON lines: topics in the order of their first records, records of a
 * topic in file order. Parts of about 16 MiB are grouped in memory and written to disk, then the pieces of each topic
 * are merged, so memory does not grow with the run.
 */
export async function groupRecords(blocks: AsyncIterable<RunRecord[]>): Promise<FileHandle> {
  const pieces = new Map<string, Region[]>();
  const parts = await spool((write) => writeParts(blocks, pieces, write));
  try {
    return await spool(async (write) => {
      for (const regions of pieces.values()) {
        for (const { offset, length } of regions)
          await write(await readRegion(parts, offset, length, 'a temporary file'));
      }
    });
  } finally {
    await parts.close();
  }
}

async function writeParts(
  blocks: AsyncIterable<RunRecord[]>,
  pieces: Map<string, Region[]>,
  write: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  const groups = new Map<string, string[]>();
  let held = 0;
  let offset = 0;
  const flush = async (): Promise<void> => {
    const buffers: Buffer[] = [];
    for (const [queryId, lines] of groups) {
      const bytes = Buffer.from(lines.join(''));
      const regions = pieces.get(queryId);
      if (regions === undefined) pieces.set(queryId, [{ offset, length: bytes.length }]);
      else regions.push({ offset, length: bytes.length });
      offset += bytes.length;
      buffers.push(bytes);
    }
    groups.clear();
    held = 0;
    await write(Buffer.concat(buffers));
  };
  for await (const records of blocks) {
    for (const record of records) {
      const text = `${JSON.stringify(record)}\n`;
      const lines = groups.get(record.queryId);
      if (lines === undefined) groups.set(record.queryId, [text]);
      else lines.push(text);
      held += text.length;
    }
    if (held >= HELD_CHARACTERS) await flush();
  }
  await flush();
}
