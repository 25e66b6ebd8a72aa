import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { formatShape } from './raw-tensor.js';
import type { TensorValues } from './tensor-values.js';

/**
 * Writes float32 tensors in the safetensors format: 8 bytes of header length, a JSON header, the values little-endian in
 * the order of `tensors`. It goes to a temporary name that is renamed when all is on disk; the folder must exist.
 * Format: https://github.com/huggingface/safetensors#format
 *
 * @throws RankDistillmError `io`; `bad_input` when a tensor's parts do not add up to its shape
 */
export async function writeSafetensors(path: string, tensors: readonly TensorValues[]): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    const file = await open(temporary, 'w');
    try {
      const header = headerOf(tensors);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      await writeAll(file, Buffer.concat([length, header]));
      for (const tensor of tensors) await writeValues(file, tensor, path);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined
      ? error
      : ioError('write', path, error);
  }
}

function sizeOf({ shape }: TensorValues): number {
  return shape.reduce((size, length) => size * length, 1);
}

/** The header's JSON, padded with spaces to a multiple of 8 bytes as the reference implementation does. */
function headerOf(tensors: readonly TensorValues[]): Buffer {
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const start = offset;
    offset += 4 * sizeOf(tensor);
    return [tensor.name, { dtype: 'F32', shape: tensor.shape, data_offsets: [start, offset] }] as const;
  });
  const json = Buffer.from(JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) }));
  return Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
}

async function writeValues(file: FileHandle, tensor: TensorValues, path: string): Promise<void> {
  const size = sizeOf(tensor);
  let written = 0;
  for await (const part of tensor.parts()) {
    written += part.length;
    if (written > size) break;
    await writeAll(file, new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  }
  if (written === size) return;
  const count = written > size ? `more than ${size}` : written;
  throw new RankDistillmError(
    'bad_input',
    `${path}: tensor ${tensor.name}: ${count} values do not fill shape ${formatShape(tensor.shape)}`,
    { hint: 'Give as many values as the shape says.' },
  );
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done)).bytesWritten;
}
