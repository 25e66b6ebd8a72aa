import type { Dtype } from '../../binding.js';

/** Element types in files; the engine supports the four floating point types, see `floatDtype`. */
export type StoredDtype = Dtype | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'bool' | 'other';

/** A tensor in a file, not read yet: little-endian, row-major, with its name in the file. */
export interface RawTensor {
  dtype: StoredDtype;
  shape: number[];
  data: { file: string; offset: number; bytes: number; version?: string };
}

export type RawTensors = Map<string, RawTensor>;

/** A float32 tensor with its values in parts, so that a model need not fit into JavaScript's memory. */
export interface TensorValues {
  name: string;
  shape: readonly number[];
  /** All values in row-major order, in consecutive parts of any size. */
  parts(): AsyncIterable<Float32Array> | Iterable<Float32Array>;
}

export const BYTES_PER_ELEMENT: Readonly<Record<Exclude<StoredDtype, 'other'>, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

const FLOATS: readonly StoredDtype[] = ['float64', 'float32', 'float16', 'bfloat16'];

/** The dtype if the engine supports it, else undefined. */
export function floatDtype(dtype: StoredDtype): Dtype | undefined {
  return FLOATS.includes(dtype) ? (dtype as Dtype) : undefined;
}

/** Number of elements; undefined if the shape is invalid or the product is not a safe integer. */
export function countElements(shape: readonly unknown[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
