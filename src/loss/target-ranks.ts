/**
 * Ranks of the targets, 1 for the highest. Documents with equal targets are ranked in the order of the list.
 *
 * lightning-ir sorts with `torch.argsort`, which promises no order among equals: up to 16 documents torch keeps the
 * list's, above that the order depends on its vector instructions. Here it is always the list's.
 *
 * @param targets [docs]
 * @returns [docs]
 */
export function targetRanks(targets: Float64Array): Float64Array {
  const order = Array.from(targets, (_, i) => i).sort((a, b) => targets[b]! - targets[a]!);
  const ranks = new Float64Array(targets.length);
  order.forEach((doc, position) => {
    ranks[doc] = position + 1;
  });
  return ranks;
}
