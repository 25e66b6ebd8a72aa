/** A float32 tensor whose values come in parts, so that no model has to fit into JavaScript's memory. */
export interface TensorValues {
  name: string;
  shape: readonly number[];
  /** All values in row-major order, in consecutive parts of any size. */
  parts(): AsyncIterable<Float32Array> | Iterable<Float32Array>;
}
