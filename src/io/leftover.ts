import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
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
  /** Whether the process is still there, so that it is not a leftover yet. */
  alive: boolean;
}

/** Name of the target, role, process id, the process's start time, a random part. */
const NAME = /^\.(.+)\.(new|old|gone)-(\d+)-(\d+)-[0-9a-f]{8}$/;

/** A path beside `target` that says who made it and what for. */
export function pathBeside(target: string, role: LeftoverRole): string {
  const tag = `${process.pid}-${startTime(process.pid) ?? 0}-${randomBytes(4).toString('hex')}`;
  return join(dirname(target), `.${basename(target)}.${role}-${tag}`);
}

/** What such paths there are in a folder; none when the folder cannot be read. */
export async function leftoversIn(folder: string): Promise<Leftover[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => {
    const match = NAME.exec(name);
    if (!match) return [];
    const [, target, role, pid, start] = match as unknown as [string, string, LeftoverRole, string, string];
    const alive = startTime(Number(pid)) === start;
    return [{ path: join(folder, name), target: join(folder, target), role, alive }];
  });
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
