import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedTensor } from '../../binding.js';
import type { RawTensor } from '../../src/models/raw-tensor.js';
import type { TensorValues } from '../../src/models/raw-tensor.js';

interface SafetensorsEntry {
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

/** A loaded tensor's values in float32, as the trainer hands them out. */
export function float32Of({ dtype, shape, data }: NamedTensor): Float32Array {
  if (data instanceof Uint8Array) return new Float32Array(data.buffer.slice(data.byteOffset), 0, data.byteLength / 4);
  return Float32Array.from(valuesOf({ dtype, shape, data }));
}

/** Loaded tensors as the trainer hands them out, in parts of an odd size. */
export function tensorValues(tensors: readonly NamedTensor[], partSize = 1013): TensorValues[] {
  return tensors.map((tensor) => ({
    name: tensor.name,
    shape: tensor.shape,
    *parts() {
      const values = float32Of(tensor);
      for (let start = 0; start < values.length; start += partSize) yield values.subarray(start, start + partSize);
    },
  }));
}
