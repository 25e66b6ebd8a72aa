/** Orders texts by code points, as Python and UTF-8 bytes do; JavaScript's own order differs outside the basic plane. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
