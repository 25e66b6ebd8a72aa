import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Runs `work` with an empty folder beside the target, from which the target can be renamed into place. What killed
 * processes left of it goes first: the caller holds the target's lock, so nobody else is there.
 * @template T
 * @param {string} target
 * @param {(folder: string) => Promise<T>} work
 */
export async function inWorkFolder(target, work) {
  const parent = dirname(target);
  const prefix = `${basename(target)}.unpacking-`;
  const remove = (/** @type {string} */ folder) => rmSync(folder, { recursive: true, force: true });
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) if (name.startsWith(prefix)) remove(join(parent, name));
  const folder = mkdtempSync(join(parent, prefix));
  try {
    return await work(folder);
  } finally {
    remove(folder);
  }
}
