import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { leftoversIn, pathBeside, sync } from './atomic-write.js';

/** A reader that finds a folder just being replaced by another process waits this long: two renames take microseconds. */
const LONGEST_WAIT_MS = 1000;

/**
 * Writes a folder so that the old one or the whole new one can be found at every moment, whatever ends the process: the
 * new one is written beside the target and synced, then both change places. rename(2) puts no folder into the place of
 * another, so between two renames the target is missing and the old one stands beside it; `healFolder` puts that back.
 * What killed processes left in the parent folder is removed first. When `write` throws, nothing is left behind.
 *
 * @param target its parent must exist: one that somebody removed meanwhile is an error, not made again
 * @param write fills the empty folder that it is given
 * @throws RankDistillmError `io` that names the target; what `write` throws, with the target's name in it
 */
export async function replaceFolder(target: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const place = resolve(target);
  const temporary = pathBeside(place, 'new');
  try {
    await refuseFile(place);
    await removeDead(dirname(place));
    await mkdir(temporary);
    const { ino } = await lstat(temporary);
    await write(temporary);
    if ((await lstat(temporary)).ino !== ino) throw removedMeanwhile(place);
    await syncTree(temporary);
    await exchange(temporary, place);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw wordError(error, temporary, target);
  }
}

/**
 * Puts a folder back whose replacement was cut short between its two renames. To be called before a folder is read that
 * `replaceFolder` writes; does nothing where nothing is to be healed, and throws nothing: the reader will say what is
 * missing.
 */
export async function healFolder(target: string): Promise<void> {
  const place = resolve(target);
  const until = Date.now() + LONGEST_WAIT_MS;
  while (!(await exists(place))) {
    const old = (await leftoversIn(dirname(place))).filter((left) => left.target === place && left.role === 'old');
    if (old.length === 0) return;
    const dead = old.find(({ alive }) => !alive);
    if (dead) return rename(dead.path, place).catch(() => undefined);
    if (Date.now() > until) return;
    await sleep(5);
  }
}

/**
 * Removes a folder so that a killed process leaves no part of it under its name. One that is not there is no error.
 *
 * @throws RankDistillmError `io`
 */
export async function removeFolder(target: string): Promise<void> {
  try {
    await removeAs(resolve(target), resolve(target));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError('write', target, error);
  }
}

/** `healFolder` for every folder that `replaceFolder` writes in `parent`. */
export async function healFoldersIn(parent: string): Promise<void> {
  const targets = (await leftoversIn(resolve(parent))).filter(({ role }) => role === 'old');
  for (const target of new Set(targets.map((left) => left.target))) await healFolder(target);
}

async function refuseFile(place: string): Promise<void> {
  const stats = await lstat(place).catch(() => undefined);
  if (!stats || stats.isDirectory() || stats.isSymbolicLink()) return;
  throw new RankDistillmError('io', `${place}: is a file, not a folder`, { hint: 'Move it away or name a folder.' });
}

/** Whoever removed the folder removed what was in it by then, and `write` has made it again for the rest. */
function removedMeanwhile(place: string): RankDistillmError {
  return new RankDistillmError('io', `${place}: cannot write: the folder was removed meanwhile`, {
    hint: 'Leave the folder alone while it is written to.',
  });
}

/** What killed processes left in a folder: what was to be removed, and what never became whole. */
async function removeDead(parent: string): Promise<void> {
  await healFoldersIn(parent);
  for (const { path, target, role, alive } of await leftoversIn(parent)) {
    if (alive || (role === 'old' && !(await exists(target)))) continue;
    await rm(path, { recursive: true, force: true });
  }
}

/** Renamed first: what stands under its own name, or as `old`, is whole. */
async function removeAs(path: string, place: string): Promise<void> {
  const gone = pathBeside(place, 'gone');
  await rename(path, gone);
  await rm(gone, { recursive: true, force: true });
}

async function exchange(temporary: string, place: string): Promise<void> {
  const old = pathBeside(place, 'old');
  const isReplaced = await exists(place);
  if (isReplaced) await rename(place, old);
  try {
    await rename(temporary, place);
  } catch (error) {
    if (isReplaced) await rename(old, place).catch(() => undefined);
    throw error;
  }
  await sync(dirname(place));
  // what cannot be removed now is removed when it is dead
  if (isReplaced) await removeAs(old, place).catch(() => undefined);
}

/** Files before the folder that names them. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await sync(path);
  }
  await sync(folder);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** The target's name stands for the temporary one, which says nothing to the user and is gone. */
function wordError(error: unknown, temporary: string, target: string): unknown {
  if (error instanceof RankDistillmError) {
    if (!error.message.includes(temporary)) return error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    return new RankDistillmError(error.code, error.message.replaceAll(temporary, target), { ...hint, cause: error });
  }
  return (error as NodeJS.ErrnoException).code === undefined ? error : ioError('write', target, error);
}
