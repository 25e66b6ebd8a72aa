/**
 * How many tokens of each side stay when a pair is cut to `room` tokens by the strategy `longest_first`.
 *
 * Source: `truncate_encodings` of Hugging Face tokenizers (which sentence-transformers and transformers call). It does
 * not remove tokens one by one: the longer side gives first; when both have to give, each keeps half of the room, and
 * of an odd room the longer side keeps one more (the second side when both are as long).
 *
 * @param first tokens of the first side
 * @param second tokens of the second side
 * @param room tokens for both together, special tokens not counted
 */
export function longestFirst(first: number, second: number, room: number): [first: number, second: number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  let keepShorter = shorter;
  let keepLonger = shorter > room ? shorter : Math.max(shorter, room - shorter);
  if (keepShorter + keepLonger > room) {
    keepShorter = Math.floor(room / 2);
    keepLonger = keepShorter + (room % 2);
  }
  return first > second ? [keepLonger, keepShorter] : [keepShorter, keepLonger];
}
