import { writeAtomically } from '../../src/io/atomic-write.js';

/** Map.groupBy, which Node.js 20 lacks. Groups and their items keep the order of the items. */
export function groupBy<Key, Item>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** Writes a text file whole or not at all. */
export async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  await writeAtomically(path, async (write) => {
    for (const line of lines) await write(`${line}\n`);
  });
}
