/** Precision and, for a GPU, device: `float32`, `bfloat16 on cuda:0`. */
export function onDevice({ precision, device }: { precision: string; device: string }): string {
  return device === 'cpu' ? precision : `${precision} on ${device}`;
}
