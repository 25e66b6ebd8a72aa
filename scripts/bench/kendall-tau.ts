/**
 * Kendall's tau of two lists of scores, over all pairs of places that differ in the first: 1 where both put them in the
 * same order, -1 where they are reversed. Ties of the second list alone count 0. Undefined where the first has no order.
 */
export function kendallTau(first: ArrayLike<number>, second: ArrayLike<number>): number | undefined {
  let agreeing = 0;
  let all = 0;
  for (let i = 0; i < first.length; i++) {
    for (let j = 0; j < i; j++) {
      const order = Math.sign(first[i]! - first[j]!);
      if (order === 0) continue;
      all += 1;
      agreeing += order * Math.sign(second[i]! - second[j]!);
    }
  }
  return all === 0 ? undefined : agreeing / all;
}
