import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { ioError, RankDistillmError } from '../errors.js';
import { makeFolder } from './make-folder.js';
import { outputFile } from './output-file.js';
import { isPlainName } from './plain-name.js';

/** Writes text and waits when the disk is slower than the caller. */
export type WriteText = (text: string) => Promise<void>;

/**
 * Writes a file atomically: readers see the old or the complete new content. Writes to a temporary file beside the
 * target, syncs and renames it. If `produce` throws, nothing is left behind; leftovers of a killed process are removed
 * by the next call. If `path` is a link, its target is written.
 */
export async function writeAtomically(path: string, produce: (write: WriteText) => Promise<void>): Promise<void> {
  const target = await outputFile(path);
  const temporary = pathBeside(target, 'new');
  let stream: WriteStream | undefined;
  try {
    await makeFolder(dirname(target));
    await removeLeftovers(target);
    stream = createWriteStream(temporary, { flags: 'wx' });
    await once(stream, 'open');
    const done = finished(stream);
    done.catch(() => undefined); // a write below reports it; this avoids an unhandled rejection
    const opened = stream;
    await produce(async (text) => {
      if (opened.errored) throw opened.errored;
      if (!opened.write(text)) await once(opened, 'drain'); // rejects on an error
    });
    stream.end();
    await done;
    await sync(temporary);
    await rename(temporary, target);
  } catch (error) {
    stream?.destroy();
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error instanceof RankDistillmError || (error as NodeJS.ErrnoException).code === undefined
      ? error
      : ioError('write', path, error);
  }
}

/**
 * `new`: being written, incomplete. `old`: the replaced target, complete. `gone`: being removed.
 */
type LeftoverRole = 'new' | 'old' | 'gone';

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
const NAME = /^\.(.+)\.(new|old|gone)-(\d+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{8}$/;
/** Identifies the machine: in a shared folder, processes of other machines cannot be looked up. */
const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
/** A file of another machine that is older than this is not being written. */
const LONGEST_WRITE_MS = 24 * 3600 * 1000;

/** A path beside `target` that encodes the process and the role. */
export function pathBeside(target: string, role: LeftoverRole): string {
  const tag = `${process.pid}-${startTime(process.pid) ?? 0}-${MACHINE}-${randomBytes(4).toString('hex')}`;
  return join(dirname(target), `.${basename(target)}.${role}-${tag}`);
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
        machine === MACHINE ? startTime(Number(pid)) === start : role === 'new' && (await isTouchedLately(path));
      return { path, target: join(folder, target), role, alive };
    }),
  );
}

/** Removes leftovers of killed processes that were writing `target`. */
async function removeLeftovers(target: string): Promise<void> {
  for (const { path, target: other, role, alive } of await leftoversIn(dirname(target))) {
    // ignore leftovers that we may not remove
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

/** Flushes a file's content, or a folder's entries, to disk. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
