import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ioError } from '../../src/errors.js';

/** A float32 tensor whose values are made while it is written, so that no model has to fit into memory. */
export interface TensorSource {
  name: string;
  shape: readonly number[];
  /** Sets the next values, in row-major order; called with parts of the tensor one after the other. */
  fill(part: Float32Array): void;
}

/** 16 MiB: large enough that the disk and not the calls take the time. */
const PART_VALUES = 4 * 1024 * 1024;

function sizeOf({ shape }: TensorSource): number {
  return shape.reduce((size, length) => size * length, 1);
}

/** The header's JSON, padded with spaces to a multiple of 8 bytes as the reference implementation does. */
function headerOf(tensors: readonly TensorSource[]): Buffer {
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const start = offset;
    offset += 4 * sizeOf(tensor);
    return [tensor.name, { dtype: 'F32', shape: tensor.shape, data_offsets: [start, offset] }] as const;
  });
  const json = Buffer.from(JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) }));
  return Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
}

async function writeValues(file: FileHandle, tensor: TensorSource, part: Float32Array): Promise<void> {
  for (let left = sizeOf(tensor); left > 0; left -= part.length) {
    const values = part.subarray(0, Math.min(left, part.length));
    tensor.fill(values);
    await writeAll(file, new Uint8Array(values.buffer, 0, values.byteLength));
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done)).bytesWritten;
}

/**
 * Writes float32 tensors in the safetensors format (8 bytes of header length, JSON header, values little-endian), to a
 * temporary name that is renamed when all is on disk.
 */
export async function writeSafetensors(path: string, tensors: readonly TensorSource[]): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  const part = new Float32Array(Math.min(PART_VALUES, Math.max(...tensors.map(sizeOf))));
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, 'w');
    try {
      const header = headerOf(tensors);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      await writeAll(file, length);
      await writeAll(file, header);
      for (const tensor of tensors) await writeValues(file, tensor, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw ioError('write', path, error);
  }
}
