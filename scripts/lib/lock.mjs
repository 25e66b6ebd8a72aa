import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asDiskError, say } from './say.mjs';
import { watchingSignals } from './run.mjs';

/** An owner writes itself into its file at once; one that is not whole after this long was killed before it did. */
const UNFINISHED_MS = 5000;

/**
 * When a process started, in the kernel's ticks: numbers of processes come again, also in the next container. Undefined
 * when it has ended, even where nobody has asked for its exit code yet.
 * @param {number | string} pid
 */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

/**
 * Who holds a lock.
 * @param {string} file
 * @returns {{ name: string, dead: boolean }}
 */
function holderOf(file) {
  try {
    const [, pid, start] = /^(\d+) (\d+)\n$/.exec(readFileSync(file, 'utf8')) ?? [];
    if (pid !== undefined) return { name: `process ${pid}`, dead: startOf(pid) !== start };
    return { name: 'unknown process', dead: Date.now() - statSync(file).mtimeMs > UNFINISHED_MS };
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error;
    return { name: 'unknown process', dead: false }; // given back in the meantime
  }
}

/** Takes the lock, unless somebody has it. @param {string} file */
function take(file) {
  let made;
  try {
    made = openSync(file, 'wx');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw asDiskError(error);
  }
  try {
    writeSync(made, `${process.pid} ${startOf(process.pid)}\n`);
    return true;
  } catch (error) {
    rmSync(file); // the disk is full
    throw asDiskError(error, file);
  } finally {
    closeSync(made);
  }
}

/**
 * Runs `work` while no other process of this machine holds the same lock file. A lock whose process died is taken over.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, work) {
  mkdirSync(dirname(file), { recursive: true });
  for (let told = false; !take(file);) {
    const holder = holderOf(file);
    if (holder.dead) {
      rmSync(file, { force: true });
      continue;
    }
    if (!told) say(`waiting for another setup (${holder.name}) to finish; it holds ${file}`);
    told = true;
    await sleep(200);
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await watchingSignals(work);
  } finally {
    release();
    process.off('exit', release);
  }
}
