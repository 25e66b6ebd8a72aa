import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './say.mjs';

/** @param {string} file */
function holderOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // given back in the meantime
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
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
  for (let told = false; ;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    const holder = holderOf(file);
    // An empty file is a lock whose owner is between creating and writing it.
    if (holder && !isAlive(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!told) say(`waiting for another setup (process ${holder ?? 'unknown'}) to finish`);
    told = true;
    await sleep(200);
  }
  const release = () => rmSync(file, { force: true });
  const onSignal = (/** @type {NodeJS.Signals} */ signal) => {
    release();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('exit', release);
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return await work();
  } finally {
    release();
    process.off('exit', release).off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
