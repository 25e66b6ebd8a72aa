import type { NamedTensor } from '../../binding.js';
import type { TensorValues } from '../../src/models/raw-tensor.js';
import { valuesOf } from './support.js';

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
