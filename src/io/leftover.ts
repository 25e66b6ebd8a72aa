import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/**
 * `new`: being written, not whole. `old`: what stood at the target's place a moment ago, whole. `gone`: being removed.
 */
export type LeftoverRole = 'new' | 'old' | 'gone';

/** A file or folder beside a target that a process put there while it replaced the target. */
export interface Leftover {
  path: string;
  /** The target's path. */
  target: string;
  role: LeftoverRole;
  /** Whether the process is still there, so that it is not a leftover yet; of another machine's, whether it may be. */
  alive: boolean;
}

/** Name of the target, role, process id, the process's start time, the machine, a random part. */
const NAME = /^\.(.+)\.(new|old|gone)-(\d+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{8}$/;
/** Processes of other machines, in a folder that they share with this one, cannot be looked up. */
const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
/** What another machine has not touched for so long is not being written. */
const LONGEST_WRITE_MS = 24 * 3600 * 1000;

/** A path beside `target` that says who made it and what for. */
export function pathBeside(target: string, role: LeftoverRole): string {
  const tag = `${process.pid}-${startTime(process.pid) ?? 0}-${MACHINE}-${randomBytes(4).toString('hex')}`;
  return join(dirname(target), `.${basename(target)}.${role}-${tag}`);
}

/** What such paths there are in a folder; none when the folder cannot be read. */
export async function leftoversIn(folder: string): Promise<Leftover[]> {
  const names = await readdir(folder).catch(() => []);
  const matches = names.map((name) => NAME.exec(name)).filter((match) => match !== null);
  return Promise.all(
    matches.map(async (match) => {
      const [name, target, role, pid, start, machine] = match as unknown as [string, string, LeftoverRole, ...string[]];
      const path = join(folder, name);
      const alive =
        machine === MACHINE ? startTime(Number(pid)) === start : role === 'new' && (await isTouchedLately(path));
      return { path, target: join(folder, target), role, alive };
    }),
  );
}

/** Removes what killed processes left that were writing `target`. */
export async function removeLeftovers(target: string): Promise<void> {
  for (const { path, target: other, role, alive } of await leftoversIn(dirname(target))) {
    // what somebody else may not remove is in nobody's way
    if (other === target && role === 'new' && !alive) await rm(path, { force: true }).catch(() => undefined);
  }
}

async function isTouchedLately(path: string): Promise<boolean> {
  return lstat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs < LONGEST_WRITE_MS,
    () => false,
  );
}

/**
 * When a process started, in clock ticks since boot (field 22 of /proc/<pid>/stat, proc(5)): with the id it names one
 * process, since ids are used again. undefined: there is no such process, or only what its parent has yet to take note of.
 */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the second field is the program's name in brackets, which may hold anything
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
