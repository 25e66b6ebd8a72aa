/**
 * Ranks of the targets, 1 for the highest. Documents with equal targets are ranked in list order.
 *
 * lightning-ir sorts with `torch.argsort`, which is not stable: torch keeps the list order up to 16 documents; above
 * that the order depends on its vector instructions.
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
