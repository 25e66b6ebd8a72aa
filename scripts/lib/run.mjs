import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { SetupError } from './say.mjs';
import { checkInterrupted, untilEnded, watchingSignals } from './signals.mjs';

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
