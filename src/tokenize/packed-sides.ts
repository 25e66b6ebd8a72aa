import type { SideIds } from './side-tokenizer.js';

/** The ids of many texts in two arrays, which go from thread to thread without being copied. */
export interface PackedSides {
  /** Of all texts, end to end. */
  ids: Int32Array<ArrayBuffer>;
  /** [texts, 3]: number of ids, `length` and `exact` of `SideIds`. */
  counts: Int32Array<ArrayBuffer>;
}

const FIELDS = 3;

export function packSides(sides: readonly SideIds[]): PackedSides {
  const ids = new Int32Array(sides.reduce((sum, side) => sum + side.ids.length, 0));
  const counts = new Int32Array(FIELDS * sides.length);
  let at = 0;
  sides.forEach((side, i) => {
    ids.set(side.ids, at);
    at += side.ids.length;
    counts.set([side.ids.length, side.length, side.exact ? 1 : 0], FIELDS * i);
  });
  return { ids, counts };
}

/** The texts' own arrays again: a view would keep the ids of all others in memory as long as a cache holds it. */
export function unpackSides({ ids, counts }: PackedSides): SideIds[] {
  const sides: SideIds[] = [];
  let at = 0;
  for (let i = 0; i < counts.length; i += FIELDS) {
    const end = at + counts[i]!;
    sides.push({ ids: ids.slice(at, end), length: counts[i + 1]!, exact: counts[i + 2] === 1 });
    at = end;
  }
  return sides;
}
