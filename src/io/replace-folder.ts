import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { sync } from './atomic-write.js';
import { refuseFolderOverInputs } from './inputs.js';
import { leftoversIn, LONGEST_NAME, pathBeside, removeStrays } from './leftovers.js';

/** How long a reader waits for another process that is replacing the folder; two renames take microseconds. */
const LONGEST_WAIT_MS = 1000;

/**
 * Replaces a folder so that the old or the complete new one survives a crash at any time: writes and syncs the new
 * folder beside the target, then swaps them. rename(2) cannot replace a non-empty folder, so between two renames the
 * target is missing and the old folder is beside it; `healFolder` restores it. Removes leftovers of killed processes in
 * the parent folder first. If `write` throws, nothing is left behind.
 *
 * @param target its parent must exist; if it is deleted meanwhile, that is an error
 * @param write fills the given empty folder
 * @throws RankDistillmError `io` that names the target; `bad_input` if the folder holds an input; errors of `write`, with the target's name in them
 */
export async function replaceFolder(target: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const place = resolve(target);
  const temporary = pathBeside(place, 'new');
  try {
    refuseLongName(place);
    refuseFolderOverInputs(target);
    await refuseFile(place);
    await removeLeftovers(dirname(place));
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
 * Restores a folder whose replacement was interrupted between the two renames. Call it before reading a folder that
 * `replaceFolder` writes. Never throws: the reader reports a missing folder.
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
 * Removes a folder so that a killed process leaves no part of it under its name. A missing folder is not an error.
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

/** @throws RankDistillmError `io` if a folder of this name could not be replaced later */
export function refuseLongName(target: string): void {
  const bytes = Buffer.byteLength(basename(target));
  if (bytes <= LONGEST_NAME) return;
  throw new RankDistillmError('io', `${target}: cannot write: the name has ${bytes} bytes, more than ${LONGEST_NAME}`, {
    hint: 'Choose a shorter name.',
  });
}

async function refuseFile(place: string): Promise<void> {
  const stats = await lstat(place).catch(() => undefined);
  if (!stats || stats.isDirectory() || stats.isSymbolicLink()) return;
  throw new RankDistillmError('io', `${place}: is a file, not a folder`, { hint: 'Move it or name a folder.' });
}

/** Someone deleted the folder while we wrote; `write` recreated it, but the earlier files are gone. */
function removedMeanwhile(place: string): RankDistillmError {
  return new RankDistillmError('io', `${place}: cannot write: the folder was deleted during the write`, {
    hint: 'Do not change the folder while it is being written.',
  });
}

/** Removes what killed processes left in a folder: folders being removed, incomplete ones, and replaced ones. */
export async function removeLeftovers(parent: string): Promise<void> {
  await healFoldersIn(parent);
  await removeStrays(parent);
  for (const { path, target, role, alive } of await leftoversIn(parent)) {
    if (role === 'old' && !alive && (await exists(target))) await rm(path, { recursive: true, force: true });
  }
}

/** Renames the folder first: a folder under its name, or as `old`, must be complete. */
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
  // if it cannot be removed now, a later call removes it as a leftover
  if (isReplaced) await removeAs(old, place).catch(() => undefined);
}

/** Syncs files before the folder that contains them. */
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

/** Puts the target's name in place of the temporary one, which means nothing to the user. */
function wordError(error: unknown, temporary: string, target: string): unknown {
  if (error instanceof RankDistillmError) {
    if (!error.message.includes(temporary)) return error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    return new RankDistillmError(error.code, error.message.replaceAll(temporary, target), { ...hint, cause: error });
  }
  return (error as NodeJS.ErrnoException).code === undefined ? error : ioError('write', target, error);
}
