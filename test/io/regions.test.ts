import { closeSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { readRegions } from '../../src/io/regions.js';
import { refuses } from '../support/errors.js';
import { temporaryFiles } from '../support/files.js';

const test = suite('regions of a file');
const { folder, file } = temporaryFiles();

const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, i) => (i * i + (i >> 5)) % 251));
const path = file('bytes', bytes);

type Region = [offset: number, length: number, checksum: number];

function regionOf(offset: number, length: number): Region {
  return [offset, length, crc32(bytes.subarray(offset, offset + length))];
}

/** Reads from `path`. */
async function read(regions: readonly Region[], opened = path): Promise<Buffer> {
  const fd = openSync(opened, 'r');
  const failure = (cause?: Error): RankDistillmError =>
    new RankDistillmError('io', `unreadable: ${cause?.message ?? 'changed'}`, { hint: 'Write it again.' });
  return readRegions(fd, Float64Array.from(regions.flat()), (found) => Buffer.from(found), failure).finally(() =>
    closeSync(fd),
  );
}

test('of every length, few and many, overlapping and in any order: with the checksums of zlib', async () => {
  const lengths = Array.from({ length: 70 }, (_, length) => regionOf(13 * length, length));
  const many = Array.from({ length: 1000 }, (_, i) => regionOf((i * 7919) % 9000, (i * 31) % 1000));
  for (const regions of [[], [regionOf(0, bytes.length)], lengths, many, lengths]) {
    const expected = regions.map(([offset, length]) => bytes.subarray(offset, offset + length));
    assert.equal(await read(regions), Buffer.concat(expected));
  }
});

test('a checksum that differs, wherever, and a region beyond the end', async () => {
  const regions = Array.from({ length: 600 }, (_, i) => regionOf(16 * i, 16));
  for (const bad of [0, 299, 599]) {
    const changed = regions.with(bad, [16 * bad, 16, 0]);
    await refuses(() => read(changed), 'io', 'unreadable: changed');
  }
  await refuses(() => read([...regions, regionOf(bytes.length - 1, 2)]), 'io', 'unreadable: changed');
});

test('an error of the system has its name', async () => {
  await refuses(() => read([regionOf(0, 10)], folder), 'io', 'unreadable: EISDIR: illegal operation on a directory');
});

test.run();
