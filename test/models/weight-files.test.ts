import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSafetensors } from '../../src/models/safetensors.js';
import { readTorchFile } from '../../src/models/torch-file.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { WEIGHT_FILES } from '../support/models.js';
import { joinSafetensors, splitSafetensors, valuesOf } from '../support/safetensors.js';

/** What torch reads from each file of scripts/references/weight_files.py. */
const expected = JSON.parse(readFileSync(join(WEIGHT_FILES, 'values.json'), 'utf8')) as Record<
  string,
  { dtype: string; shape: number[]; values: number[] }
>;

const test = suite('weight files');
const folder = temporaryFolder();
let count = 0;

function write(bytes: Uint8Array): string {
  const path = join(folder, `file-${count++}`);
  writeFileSync(path, bytes);
  return path;
}

for (const name of ['zip.bin', 'zip-protocol-4.bin', 'legacy.bin', 'plain.safetensors']) {
  test(`${name} holds what torch reads from it`, async () => {
    const read = name.endsWith('.bin') ? readTorchFile : readSafetensors;
    const tensors = await read(join(WEIGHT_FILES, name));
    assert.equal([...tensors.keys()].sort(), Object.keys(expected).sort());
    for (const [key, { dtype, shape, values }] of Object.entries(expected)) {
      const tensor = tensors.get(key)!;
      assert.is(tensor.dtype, dtype, key);
      assert.equal(tensor.shape, shape, key);
      assert.equal(valuesOf(tensor), values, key);
    }
  });
}

test('tied tensors look at the same bytes', async () => {
  for (const name of ['zip.bin', 'legacy.bin']) {
    const tensors = await readTorchFile(join(WEIGHT_FILES, name));
    const whole = tensors.get('tied')!.data;
    assert.equal(tensors.get('tied.rows')!.data, { ...whole, offset: whole.offset + 6 * 4, bytes: 12 * 4 });
  }
});

const hostile: [file: string, message: RegExp][] = [
  ['evil-legacy.bin', /Python global "posix\.system"/],
  ['evil-protocol-0.bin', /Python global "posix\.system"/],
  ['evil-first.bin', /Python global "__builtin__\.eval"/],
  ['evil-zip.bin', /Python global "__builtin__\.eval"/],
  ['evil-stack-global.bin', /Python global "builtins\.exec"/],
  ['whole-module.bin', /Python global "torch\.nn\.modules\.linear\.Linear"/],
  ['bomb.bin', /data\.pkl" is compressed/],
  ['transposed.bin', /shape \[3, 2\] is not stored row by row/],
  ['training-checkpoint.bin', /entry "model" is not a tensor/],
];
for (const [file, message] of hostile) {
  test(`${file} is refused`, async () => {
    await refuses(() => readTorchFile(join(WEIGHT_FILES, file)), 'bad_input', message);
    assert.not(existsSync('rank-distillm-was-here'));
  });
}

test('a file cut at any byte is refused', async () => {
  for (const name of ['zip.bin', 'legacy.bin', 'plain.safetensors']) {
    const bytes = readFileSync(join(WEIGHT_FILES, name));
    const read = name.endsWith('.bin') ? readTorchFile : readSafetensors;
    for (let length = 0; length < bytes.length; length += 7) {
      const path = write(bytes.subarray(0, length));
      await refuses(() => read(path), 'bad_input', /file-\d+: /);
    }
  }
  assert.ok(readdirSync(folder).length > 500);
});

const good = splitSafetensors(readFileSync(join(WEIGHT_FILES, 'plain.safetensors')));
const entry = (shape: number[], data_offsets: [number, number], dtype = 'F32') => ({ dtype, shape, data_offsets });
const eight = Buffer.alloc(8);

const badSafetensors: [what: string, bytes: Buffer, message: RegExp][] = [
  ['an empty file', Buffer.alloc(0), /too few for a safetensors header/],
  ['a header longer than the file', Buffer.from('ffffff0000000000', 'hex'), /claims 16777215 bytes/],
  ['a header of 2^63 bytes', Buffer.from('0000000000000080', 'hex'), /claims 9223372036854775808 bytes/],
  ['a header that is not JSON', joinSafetensors('{"a":', eight), /not JSON/],
  ['a header with line ends', joinSafetensors('{"a":\nx\n}', eight), /not JSON: [^\n]+$/],
  ['a header that is not UTF-8', joinSafetensors('{}', eight).fill(0xff, 8, 10), /not JSON/],
  ['a header that is a list', joinSafetensors('[]', Buffer.alloc(0)), /not a JSON object/],
  [
    'an entry without dtype',
    joinSafetensors({ a: { shape: [2], data_offsets: [0, 8] } }, eight),
    /tensor "a": has no dtype/,
  ],
  ['a negative size', joinSafetensors({ a: entry([-2], [0, 8]) }, eight), /shape is not a list/],
  ['a product past 2^53', joinSafetensors({ a: entry([2 ** 40, 2 ** 40], [0, 8]) }, eight), /shape is not a list/],
  ['offsets past the end', joinSafetensors({ a: entry([4], [0, 16]) }, eight), /not in the file/],
  ['offsets that run backwards', joinSafetensors({ a: entry([2], [8, 0]) }, eight), /not in the file/],
  [
    'bytes that do not fit the shape',
    joinSafetensors({ a: entry([3], [0, 8]) }, eight),
    /do not fit shape \[3\] of F32/,
  ],
  ['an overlap', joinSafetensors({ a: entry([2], [0, 8]), b: entry([1], [4, 8]) }, eight), /"b" overlaps/],
  ['a hole', joinSafetensors({ a: entry([1], [4, 8]) }, eight), /leaves a hole/],
  [
    'bytes after the last tensor',
    joinSafetensors(good.header, Buffer.concat([good.data, eight])),
    /tensors end at byte/,
  ],
  ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'), /Git LFS pointer/],
];
for (const [what, bytes, message] of badSafetensors) {
  test(`safetensors: ${what} is refused`, async () => {
    await refuses(() => readSafetensors(write(bytes)), 'bad_input', message);
  });
}

test('safetensors: a header of millions of lists, or of a thousand levels, is refused before it is parsed', async () => {
  const file = (header: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return write(Buffer.concat([length, Buffer.from(header)]));
  };
  const wide = `{"a":[${'[],'.repeat(1_000_000)}[]]}`;
  await refuses(() => readSafetensors(file(wide)), 'bad_input', /the header has 1000003 lists and objects/);
  const deep = `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}`;
  await refuses(() => readSafetensors(file(deep)), 'bad_input', /the header is nested deeper than 100/);
});

/** `)q\0` and then pairs of the value before, each twice as large when written out. */
const sharedNest = Buffer.concat([
  Buffer.from('\x80\x02)q\x00', 'latin1'),
  ...Array.from({ length: 60 }, (_, i) => Buffer.from([0x68, i, 0x68, i, 0x86, 0x71, i + 1])),
]);

test('pickle: a small one whose values would take for ever to write out ends at once', async () => {
  const global = Buffer.concat([sharedNest, Buffer.from('X\x01\0\0\0x\x93.', 'latin1')]);
  await refuses(() => readTorchFile(write(global)), 'bad_input', /names a global by something that is not text/);
});

test('safetensors: the header limit holds before anything is read', async () => {
  const path = write(Buffer.alloc(0));
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(100_000_001n);
  writeFileSync(path, bytes);
  truncateSync(path, 200_000_000); // sparse: takes no space
  await refuses(() => readSafetensors(path), 'bad_input', /at most 4194304 are read/);
});

test('safetensors: regions past 100 MB are regions, not shapes', async () => {
  const bytes = 2 ** 27;
  const header = { a: entry([2 ** 25], [0, bytes]), b: entry([2 ** 25], [bytes, 2 * bytes]) };
  const path = write(joinSafetensors(header, Buffer.alloc(0)));
  const dataStart = statSync(path).size;
  truncateSync(path, dataStart + 2 * bytes); // sparse: takes no space
  const tensors = await readSafetensors(path);
  const { version: _, ...region } = tensors.get('b')!.data;
  assert.equal(region, { file: path, offset: dataStart + bytes, bytes });
});

/** The archive as it would be written past 4 GB: sizes and places in zip64 records. APPNOTE 4.3.14, 4.3.15, 4.5.3. */
function toZip64(zip: Buffer): Buffer {
  const end = zip.length - 22;
  const start = zip.readUInt32LE(end + 16);
  const entries: Buffer[] = [];
  for (let at = start; at < start + zip.readUInt32LE(end + 12);) {
    const nameEnd = at + 46 + zip.readUInt16LE(at + 28);
    const next = nameEnd + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
    const extra = Buffer.alloc(4 + 3 * 8);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    [24, 20, 42].forEach((field, i) => extra.writeBigUInt64LE(BigInt(zip.readUInt32LE(at + field)), 4 + 8 * i));
    const entry = Buffer.concat([zip.subarray(at, nameEnd), extra]);
    [24, 20, 42].forEach((field) => entry.writeUInt32LE(0xffffffff, field));
    entry.writeUInt16LE(extra.length, 30);
    entry.writeUInt16LE(0, 32);
    entries.push(entry);
    at = next;
  }
  const directory = Buffer.concat(entries);
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50);
  record.writeBigUInt64LE(44n, 4);
  [entries.length, entries.length, directory.length, start].forEach((value, i) =>
    record.writeBigUInt64LE(BigInt(value), 24 + 8 * i),
  );
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50);
  locator.writeBigUInt64LE(BigInt(start + directory.length), 8);
  const last = Buffer.from(zip.subarray(end));
  last.fill(0xff, 8, 20);
  return Buffer.concat([zip.subarray(0, start), directory, record, locator, last]);
}

test('zip.bin with zip64 records holds the same tensors', async () => {
  const zip = readFileSync(join(WEIGHT_FILES, 'zip.bin'));
  const plainEnd = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  assert.is(plainEnd, zip.length - 22);
  const tensors = await readTorchFile(write(toZip64(zip)));
  for (const [key, { values }] of Object.entries(expected)) assert.equal(valuesOf(tensors.get(key)!), values, key);
});

const badTorch: [what: string, bytes: Buffer, message: RegExp][] = [
  ['text', Buffer.from('weights of a model'), /pickle opcode 'w' at byte 0/],
  ['an empty file', Buffer.alloc(0), /ends in the middle/],
  ['another pickle', Buffer.from('\x80\x02K\x01.', 'latin1'), /neither a zip archive nor a legacy torch\.save file/],
  ['a zip that is not of torch', emptyZip(), /not a torch\.save file/],
  [
    'a zip without its directory',
    Buffer.from('PK\x03\x04 and no more than that, no, really', 'latin1'),
    /without a directory/,
  ],
];
for (const [what, bytes, message] of badTorch) {
  test(`pytorch_model.bin: ${what} is refused`, async () => {
    await refuses(() => readTorchFile(write(bytes)), 'bad_input', message);
  });
}

function emptyZip(): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  return Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), end]);
}

test('a missing file is not found', async () => {
  await refuses(() => readSafetensors(join(folder, 'nothing')), 'not_found', /no such file/);
});

test.run();
