import type { NamedTensor } from '../../binding.js';
import { seededNormals } from './seeded-normal.js';

/**
 * New tensors for the parts of a head that the file lacks, as transformers initialises a Linear layer: weights
 * N(0, initializerRange), biases 0. The order of `shapes` fixes which numbers each tensor gets.
 */
export function freshTensors(
  shapes: ReadonlyMap<string, readonly number[]>,
  initializerRange: number,
  seed: number,
): NamedTensor[] {
  const normal = seededNormals(seed);
  return [...shapes].map(([name, shape]) => {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    if (name.endsWith('.weight')) for (let i = 0; i < values.length; i++) values[i] = normal() * initializerRange;
    return { name, dtype: 'float32', shape: [...shape], data: new Uint8Array(values.buffer) };
  });
}
