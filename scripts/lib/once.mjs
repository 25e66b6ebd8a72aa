import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { withLock } from './lock.mjs';

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

/**
 * Makes a folder, unless it is there: whole or absent, by one process at a time.
 * @param {string} target
 * @param {(work: string) => Promise<string | void>} fill fills the folder it is given, or returns the one below it that
 * becomes the target
 * @param {(target: string) => boolean} [isThere]
 */
export async function makeOnce(target, fill, isThere = existsSync) {
  if (isThere(target)) return target;
  return await withLock(`${target}.lock`, async () => {
    if (isThere(target)) return target;
    await inWorkFolder(target, async (work) => {
      const made = (await fill(work)) ?? work;
      rmSync(target, { recursive: true, force: true });
      renameSync(made, target);
    });
    return target;
  });
}
