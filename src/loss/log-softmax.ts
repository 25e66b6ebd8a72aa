/**
 * log(exp(x_i) / Σ_j exp(x_j)), without overflow for large x.
 *
 * @param values [docs]
 * @returns [docs]
 */
export function logSoftmax(values: Float64Array): Float64Array {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const logSum = Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  return values.map((value) => value - largest - logSum);
}
