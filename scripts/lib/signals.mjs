// What a script started ends with it: a compiler or pip that goes on after its lock was given back would meet the next one.
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Interrupted } from './say.mjs';

const SIGNALS = /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
/** Programs that a signal has not ended after this long are killed. */
const PATIENCE_MS = 10_000;

/** Of programs that run; the number of a group is that of its first process. */
const groups = new Set(/** @type {number[]} */ ([]));
let watchers = 0;
let received = /** @type {NodeJS.Signals | undefined} */ (undefined);

/** @param {number} group @param {NodeJS.Signals | 0} signal 0 only asks */
function signalGroup(group, signal) {
  try {
    return process.kill(-group, signal);
  } catch {
    return false; // all of it has ended
  }
}

const signalAll = (/** @type {NodeJS.Signals} */ signal) => groups.forEach((group) => signalGroup(group, signal));
const onExit = () => signalAll('SIGTERM');

/** @param {NodeJS.Signals} signal */
async function onSignal(signal) {
  if (received) return signalAll('SIGKILL'); // asked twice
  received = signal;
  watchers++; // until the end
  signalAll(signal);
  const patience = Date.now() + PATIENCE_MS;
  while (groups.size > 0 && Date.now() < patience) await sleep(20);
  signalAll('SIGKILL');
  // Whoever waited for a program first clears away what it has left.
  await new Promise((resolve) => setImmediate(resolve));
  process.exit(128 + constants.signals[signal]);
}

/** Throws when this process is about to end: nothing more is to be started. */
export function checkInterrupted() {
  if (received) throw new Interrupted(128 + constants.signals[received]);
}

/**
 * Runs `work`. A signal that would end this process is handed on to the programs it has started, and ends it after them.
 * @template T
 * @param {() => Promise<T>} work
 */
export async function watchingSignals(work) {
  if (watchers++ === 0) {
    for (const signal of SIGNALS) process.on(signal, onSignal);
    process.on('exit', onExit);
  }
  try {
    return await work();
  } finally {
    if (--watchers === 0) {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      process.off('exit', onExit);
    }
  }
}

/**
 * Watches a program that leads a group of processes, until it has ended; after a signal, until its whole group has.
 * @param {number} group
 * @param {Promise<unknown>} closed
 */
export async function untilEnded(group, closed) {
  groups.add(group);
  try {
    await closed;
    const patience = Date.now() + PATIENCE_MS;
    while (received && signalGroup(group, 0) && Date.now() < patience) await sleep(20);
  } finally {
    groups.delete(group);
  }
}
