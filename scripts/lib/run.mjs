import { spawn, spawnSync } from 'node:child_process';
import { SetupError } from './say.mjs';

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
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2] });
    const stdout = /** @type {Buffer[]} */ ([]);
    const all = /** @type {Buffer[]} */ ([]);
    child.stdout?.on('data', (/** @type {Buffer} */ chunk) => void (stdout.push(chunk), all.push(chunk)));
    child.stderr?.on('data', (/** @type {Buffer} */ chunk) => void all.push(chunk));
    child.on('error', (error) => reject(new SetupError(`${what}: ${error.message}`, hint)));
    child.on('close', (status, signal) => {
      if (status === 0) return resolve(Buffer.concat(stdout).toString());
      process.stderr.write(Buffer.concat(all));
      reject(new SetupError(`${what} failed (${signal ?? `exit code ${status}`})`, hint));
    });
  });
}
