import { weightFileError, type WeightFile } from './weight-file.js';

/** One file in a zip archive, stored without compression. */
export interface ZipEntry {
  /** Byte position of the content in the archive. */
  offset: number;
  bytes: number;
}

/** torch.save of BERT-large writes about 400 entries. */
const MAX_ENTRIES = 100_000;
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;

const END_RECORD = 0x06054b50;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_END_RECORD = 0x06064b50;
const CENTRAL_ENTRY = 0x02014b50;
const LOCAL_ENTRY = 0x04034b50;
const END_RECORD_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const IN_ZIP64 = 0xffffffff;

interface CentralEntry {
  name: string;
  method: number;
  encrypted: boolean;
  compressedBytes: number;
  bytes: number;
  headerOffset: number;
}

interface Directory {
  entries: number;
  offset: number;
  bytes: number;
}

/**
 * Reads a zip archive's central directory (with zip64 for archives past 4 GB). Accepts only stored, unencrypted
 * entries: torch.save does not compress, and an archive cannot unpack to more than its size.
 * Format: PKWARE APPNOTE.TXT 6.3.
 */
export async function readZipDirectory(file: WeightFile): Promise<{
  names: string[];
  locate(name: string): Promise<ZipEntry | undefined>;
}> {
  const directory = await findDirectory(file);
  const entries = parseDirectory(file, directory, await file.read(directory.offset, directory.bytes));
  return {
    names: [...entries.keys()],
    locate: async (name) => {
      const entry = entries.get(name);
      return entry && locateEntry(file, entry, directory.offset);
    },
  };
}

async function findDirectory(file: WeightFile): Promise<Directory> {
  const tailBytes = Math.min(file.size, END_RECORD_BYTES + MAX_COMMENT_BYTES);
  const tail = await file.read(file.size - tailBytes, tailBytes);
  let at = tail.length - END_RECORD_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END_RECORD) at--;
  if (at < 0) throw weightFileError(file.path, 'is a zip archive without a directory at its end');
  let directory: Directory = {
    entries: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
  };
  if (directory.entries === 0xffff || directory.bytes === IN_ZIP64 || directory.offset === IN_ZIP64) {
    directory = await findZip64Directory(file, file.size - tailBytes + at);
  }
  if (directory.entries > MAX_ENTRIES || directory.bytes > MAX_DIRECTORY_BYTES) {
    throw weightFileError(
      file.path,
      `is a zip archive of ${directory.entries} entries; weight files have a few hundred`,
    );
  }
  return directory;
}

async function findZip64Directory(file: WeightFile, endRecordAt: number): Promise<Directory> {
  const locator = await file.read(endRecordAt - 20, 20);
  if (locator.readUInt32LE(0) !== ZIP64_LOCATOR) throw weightFileError(file.path, 'has no zip64 locator');
  const record = await file.read(exact(file, locator.readBigUInt64LE(8)), 56);
  if (record.readUInt32LE(0) !== ZIP64_END_RECORD) throw weightFileError(file.path, 'has no zip64 directory');
  return {
    entries: exact(file, record.readBigUInt64LE(32)),
    bytes: exact(file, record.readBigUInt64LE(40)),
    offset: exact(file, record.readBigUInt64LE(48)),
  };
}

function parseDirectory(file: WeightFile, directory: Directory, bytes: Buffer): Map<string, CentralEntry> {
  const entries = new Map<string, CentralEntry>();
  let at = 0;
  for (let i = 0; i < directory.entries; i++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== CENTRAL_ENTRY) {
      throw weightFileError(file.path, `entry ${i} of the zip directory is damaged`);
    }
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28);
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
    const next = extraEnd + bytes.readUInt16LE(at + 32);
    if (next > bytes.length) throw weightFileError(file.path, `entry ${i} of the zip directory is damaged`);
    const entry: CentralEntry = {
      name: bytes.toString('utf8', at + 46, nameEnd),
      encrypted: (bytes.readUInt16LE(at + 8) & 1) !== 0,
      method: bytes.readUInt16LE(at + 10),
      compressedBytes: bytes.readUInt32LE(at + 20),
      bytes: bytes.readUInt32LE(at + 24),
      headerOffset: bytes.readUInt32LE(at + 42),
    };
    readZip64Extra(file, entry, bytes.subarray(nameEnd, extraEnd));
    if (entries.has(entry.name)) throw weightFileError(file.path, `holds ${shown(entry)} twice`);
    entries.set(entry.name, entry);
    at = next;
  }
  return entries;
}

/** Sizes and positions past 4 GB are in an extra field: in this order, and only those that did not fit. */
function readZip64Extra(file: WeightFile, entry: CentralEntry, extra: Buffer): void {
  const keys = (['bytes', 'compressedBytes', 'headerOffset'] as const).filter((key) => entry[key] === IN_ZIP64);
  if (keys.length === 0) return;
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1 || at + 4 + 8 * keys.length > extra.length) continue;
    keys.forEach((key, i) => (entry[key] = exact(file, extra.readBigUInt64LE(at + 4 + 8 * i))));
    return;
  }
  throw weightFileError(file.path, `${shown(entry)} has no zip64 sizes`);
}

async function locateEntry(file: WeightFile, entry: CentralEntry, end: number): Promise<ZipEntry> {
  if (entry.method !== 0 || entry.encrypted || entry.bytes !== entry.compressedBytes) {
    throw weightFileError(
      file.path,
      `${shown(entry)} is compressed or encrypted (${entry.compressedBytes} bytes for ${entry.bytes})`,
      'torch.save stores without compression; save the file again with torch.save.',
    );
  }
  const header = await file.read(entry.headerOffset, 30);
  const offset = entry.headerOffset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (header.readUInt32LE(0) !== LOCAL_ENTRY || offset + entry.bytes > end) {
    throw weightFileError(file.path, `${shown(entry)} is not at the position in the zip directory`);
  }
  return { offset, bytes: entry.bytes };
}

function shown(entry: CentralEntry): string {
  return `zip entry ${JSON.stringify(entry.name.slice(0, 200))}`;
}

function exact(file: WeightFile, value: bigint): number {
  if (value <= BigInt(file.size)) return Number(value);
  throw weightFileError(file.path, 'its zip directory points past the end of the file');
}
