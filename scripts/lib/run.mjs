// What a script started ends with it: a compiler or pip that outlives the lock of its script would meet the next one.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Interrupted, SetupError } from './say.mjs';

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
function checkInterrupted() {
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
async function untilEnded(group, closed) {
  groups.add(group);
  try {
    await closed;
    const patience = Date.now() + PATIENCE_MS;
    while (received && signalGroup(group, 0) && Date.now() < patience) await sleep(20);
  } finally {
    groups.delete(group);
  }
}

/** What a program printed, or undefined when it is missing or failed. @param {string} command @param {string[]} args */
export function output(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return result.status === 0 ? result.stdout : undefined;
}

/**
 * Runs a program to its end. What it prints goes to stderr; with `quiet` it is shown only when the program fails.
 * @param {string} command
 * @param {string[]} args
 * @param {{ what: string, hint?: string, cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} options
 * @returns {Promise<string>} what it printed to stdout, with `quiet`; otherwise an empty string
 */
export function run(command, args, { what, hint, cwd, env, quiet = false }) {
  return watchingSignals(async () => {
    checkInterrupted();
    // In a group of its own, so that a signal reaches what the program starts, too.
    const stdio = /** @type {import('node:child_process').StdioOptions} */ (
      quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2]
    );
    const child = spawn(command, args, { cwd, env, stdio, detached: true });
    const stdout = /** @type {Buffer[]} */ ([]);
    const all = /** @type {Buffer[]} */ ([]);
    child.stdout?.on('data', (/** @type {Buffer} */ chunk) => void (stdout.push(chunk), all.push(chunk)));
    child.stderr?.on('data', (/** @type {Buffer} */ chunk) => void all.push(chunk));
    const closed = once(child, 'close').catch((/** @type {Error} */ error) => {
      throw new SetupError(`${what}: ${error.message}`, hint);
    });
    if (child.pid !== undefined) await untilEnded(child.pid, closed);
    const [status, signal] = await closed;
    checkInterrupted();
    if (status === 0) return Buffer.concat(stdout).toString();
    process.stderr.write(Buffer.concat(all));
    throw new SetupError(`${what} failed (${signal ?? `exit code ${status}`})`, hint);
  });
}
