import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import type { RawTensor } from '../../src/models/raw-tensor.js';
import { RankDistillmError, type ErrorCode } from '../../src/errors.js';

export const fixtures = fileURLToPath(new URL('golden/', import.meta.url));
export const references = fileURLToPath(new URL('../golden/references/', import.meta.url));

const temporary: string[] = [];
process.on('exit', () => temporary.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder that is gone when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-checkpoint-'));
  temporary.push(folder);
  return folder;
}

/** A copy of a reference model with a changed config.json; keys set to undefined are taken out. */
export function copyModel(name: string, changes: Record<string, unknown> = {}): string {
  const folder = temporaryFolder();
  cpSync(join(references, name), folder, { recursive: true });
  const path = join(folder, 'config.json');
  const config = { ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...changes };
  writeFileSync(path, JSON.stringify(config));
  return folder;
}

export interface SafetensorsEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export type SafetensorsHeader = Record<string, SafetensorsEntry>;

export function joinSafetensors(header: object | string, data: Uint8Array): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

export function splitSafetensors(bytes: Buffer): { header: SafetensorsHeader; data: Buffer } {
  const end = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__: _, ...header } = JSON.parse(bytes.toString('utf8', 8, end)) as Record<string, SafetensorsEntry>;
  return { header, data: bytes.subarray(end) };
}

/** Writes model.safetensors again with other names, and without the tensors for which `rename` gives undefined. */
export function renameTensors(folder: string, rename: (name: string) => string | undefined): void {
  const path = join(folder, 'model.safetensors');
  const { header, data } = splitSafetensors(readFileSync(path));
  const next: SafetensorsHeader = {};
  const parts: Buffer[] = [];
  let end = 0;
  for (const [name, entry] of Object.entries(header)) {
    const newName = rename(name);
    if (newName === undefined) continue;
    const part = data.subarray(...entry.data_offsets);
    next[newName] = { ...entry, data_offsets: [end, end + part.length] };
    parts.push(part);
    end += part.length;
  }
  writeFileSync(path, joinSafetensors(next, Buffer.concat(parts)));
}

/** Adds one float32 tensor of zeros. */
export function addTensor(folder: string, name: string, shape: number[]): void {
  const path = join(folder, 'model.safetensors');
  const { header, data } = splitSafetensors(readFileSync(path));
  const bytes = 4 * shape.reduce((product, size) => product * size, 1);
  header[name] = { dtype: 'F32', shape, data_offsets: [data.length, data.length + bytes] };
  writeFileSync(path, joinSafetensors(header, Buffer.concat([data, Buffer.alloc(bytes)])));
}

/** The tensor's values, read from its region of the file. */
export function valuesOf({ dtype, data }: RawTensor): number[] {
  const bytes = readFileSync(data.file).subarray(data.offset, data.offset + data.bytes);
  const read: Partial<Record<RawTensor['dtype'], [width: number, at: (offset: number) => number]>> = {
    float64: [8, (at) => bytes.readDoubleLE(at)],
    float32: [4, (at) => bytes.readFloatLE(at)],
    float16: [2, (at) => float16(bytes.readUInt16LE(at))],
    bfloat16: [2, (at) => new Float32Array(new Uint32Array([bytes.readUInt16LE(at) << 16]).buffer)[0]!],
    int64: [8, (at) => Number(bytes.readBigInt64LE(at))],
  };
  const [width, at] = read[dtype]!;
  return Array.from({ length: data.bytes / width }, (_, i) => at(i * width));
}

function float16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const value = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -value : value;
}

/** Asserts that the call fails with our error, of this code, with a hint, saying something like `message`. */
export async function rejects(call: () => Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  if (!(error instanceof RankDistillmError)) throw new Error(`expected ${code} ${message}, got ${String(error)}`);
  assert.is(error.code, code, error.message);
  assert.match(error.message, message);
  assert.ok(error.hint, `no hint with: ${error.message}`);
}

export function filesIn(folder: string): string[] {
  return readdirSync(folder);
}
