import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { jsonFault } from '../io/text.js';
import { jsonShapeFault } from './json-file.js';
import {
  BYTES_PER_ELEMENT,
  countElements,
  formatShape,
  type RawTensors,
  type StoredDtype,
  type TensorValues,
} from './raw-tensor.js';
import { weightFileError, withWeightFile, type WeightFile } from './weight-file.js';

/** BERT-large needs 40 kB. The reference implementation allows 100 MB, which take 1 GB of memory when parsed. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;

const DTYPES: Readonly<Record<string, StoredDtype>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
};

/**
 * Reads the header of a safetensors file: 8 bytes of header length, a JSON object of tensors, then their bytes. As
 * strict as the reference implementation: tensors neither overlap nor leave holes, and end where the file ends.
 * Format: https://github.com/huggingface/safetensors#format
 */
export async function readSafetensors(path: string): Promise<RawTensors> {
  return withWeightFile(path, async (file) => {
    const { header, dataStart } = await readHeader(file);
    const tensors: RawTensors = new Map();
    for (const [name, entry] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      tensors.set(name, parseEntry(file, name, entry, dataStart));
    }
    checkLayout(file, tensors, dataStart);
    return tensors;
  });
}

async function readHeader(file: WeightFile): Promise<{ header: Record<string, unknown>; dataStart: number }> {
  if (file.size < 8) throw weightFileError(file.path, `has ${file.size} bytes, too few for a safetensors header`);
  const length = (await file.read(0, 8)).readBigUInt64LE();
  if (length > BigInt(file.size - 8)) {
    throw weightFileError(file.path, `the header claims ${length} bytes, but the file has ${file.size}`);
  }
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw weightFileError(file.path, `the header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are read`);
  }
  const bytes = await file.read(8, Number(length));
  const fault = jsonShapeFault(bytes, MAX_HEADER_BYTES);
  if (fault !== undefined) throw weightFileError(file.path, `the header ${fault}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw weightFileError(file.path, `the header is not JSON: ${jsonFault(cause, '').problem.slice(0, 200)}`);
  }
  if (!isRecord(header)) throw weightFileError(file.path, 'the header is not a JSON object');
  return { header, dataStart: 8 + Number(length) };
}

function parseEntry(file: WeightFile, name: string, entry: unknown, dataStart: number) {
  const problem = (text: string) => weightFileError(file.path, `tensor ${JSON.stringify(name.slice(0, 200))}: ${text}`);
  if (!isRecord(entry)) throw problem('its header entry is not an object');
  const { dtype: dtypeName, shape, data_offsets: offsets } = entry;
  if (typeof dtypeName !== 'string') throw problem('has no dtype');
  const elements = Array.isArray(shape) ? countElements(shape) : undefined;
  if (elements === undefined) throw problem('its shape is not a list of sizes');
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isBytePosition)) {
    throw problem('its data_offsets are not two byte positions');
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin || dataStart + end > file.size) {
    throw problem(`bytes ${begin} to ${end} are not in the file (${file.size - dataStart} bytes of data)`);
  }
  const dtype = Object.hasOwn(DTYPES, dtypeName) ? (DTYPES[dtypeName] as StoredDtype) : 'other';
  if (dtype !== 'other' && elements * BYTES_PER_ELEMENT[dtype] !== end - begin) {
    throw problem(`${end - begin} bytes do not fit shape [${(shape as number[]).join(', ')}] of ${dtypeName}`);
  }
  return {
    dtype,
    shape: shape as number[],
    data: { file: file.path, offset: dataStart + begin, bytes: end - begin },
  };
}

function checkLayout(file: WeightFile, tensors: RawTensors, dataStart: number): void {
  const regions = [...tensors].map(([name, { data }]) => ({ name, begin: data.offset, end: data.offset + data.bytes }));
  regions.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = dataStart;
  for (const region of regions) {
    if (region.begin !== end) {
      const what = region.begin < end ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw weightFileError(file.path, `tensor ${JSON.stringify(region.name.slice(0, 200))} ${what}`);
    }
    end = region.end;
  }
  if (end !== file.size) {
    throw weightFileError(file.path, `the tensors end at byte ${end}, but the file has ${file.size}`);
  }
}

function isBytePosition(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Writes float32 tensors in the safetensors format: 8 bytes of header length, a JSON header, the values little-endian
 * in the order of `tensors`. Writes to a temporary file, then renames it; the folder must exist.
 * Format: https://github.com/huggingface/safetensors#format
 *
 * @throws RankDistillmError `io`; `bad_input` if a tensor's parts do not match its shape
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
