import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isPlainName } from './plain-name.js';

/**
 * `new`: being written, incomplete. `part`: the same, but a download, which a later process continues. `old`: the
 * replaced target, complete. `gone`: being removed.
 */
type LeftoverRole = 'new' | 'part' | 'old' | 'gone';

/** A temporary file or folder beside a target that a process is replacing. */
export interface Leftover {
  path: string;
  /** The target's path. */
  target: string;
  role: LeftoverRole;
  /** Whether the process still runs (or may still run, on another machine), so that this is in use. */
  alive: boolean;
}

/** Name of the target, role, process id, the process's start time, the machine, a random part. */
const NAME = /^\.(.+)\.(new|part|old|gone)-(\d+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{8}$/;
/**
 * Identifies where a process id means something: in a shared folder, processes of other machines, of containers (PID
 * namespaces) and of the time before a restart cannot be looked up.
 */
const MACHINE = createHash('sha256')
  .update([hostname(), bootId(), pidNamespace()].join('\n'))
  .digest('hex')
  .slice(0, 8);
/** A file of another machine that is older than this is not being written. */
const LONGEST_WRITE_MS = 24 * 3600 * 1000;

/** Linux file systems allow 255 bytes; `pathBeside` needs up to 48 of them. */
export const LONGEST_NAME = 255 - 48;

/** A path beside `target` that encodes the process and the role, with a random part that nobody can foresee. */
export function pathBeside(target: string, role: LeftoverRole): string {
  const tag = `${process.pid}-${startTime(process.pid) ?? 0}-${MACHINE}-${randomBytes(4).toString('hex')}`;
  const name = Buffer.from(basename(target));
  // only `old` must be traced back to its target
  const part = role === 'old' ? name : name.subarray(0, LONGEST_NAME - 4);
  return join(dirname(target), `.${part.toString().replace(/\ufffd+$/, '')}.${role}-${tag}`);
}

/** The leftovers in a folder; empty if the folder cannot be read. */
export async function leftoversIn(folder: string): Promise<Leftover[]> {
  const names = await readdir(folder).catch(() => []);
  const matches = names.map((name) => NAME.exec(name)).filter((match) => isPlainName(match?.[1]));
  return Promise.all(
    matches.map(async (match) => {
      const [name, target, role, pid, start, machine] = match as unknown as [string, string, LeftoverRole, ...string[]];
      const path = join(folder, name);
      const alive =
        machine === MACHINE
          ? startTime(Number(pid)) === start
          : (role === 'new' || role === 'part') && (await isTouchedLately(path));
      return { path, target: join(folder, target), role, alive };
    }),
  );
}

/** Removes what killed processes left incomplete in a folder, whatever they were writing; ignores what we may not. */
export async function removeStrays(folder: string): Promise<void> {
  for (const { path, role, alive } of await leftoversIn(folder)) {
    if (!['old', 'part'].includes(role) && !alive)
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isTouchedLately(path: string): Promise<boolean> {
  return lstat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs < LONGEST_WRITE_MS,
    () => false,
  );
}

/**
 * When a process started, in clock ticks since boot (field 22 of /proc/<pid>/stat, proc(5)): with the id it identifies
 * a process, because ids are reused. undefined: there is no such process, or it is a zombie.
 */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the second field is the program's name in parentheses, which may contain anything
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1');
  } catch {
    return '';
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
