import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's top folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/**
 * Release of LibTorch that the addon is written for, and its wheels.
 *
 * @type {{ version: string, cpu: [{ sha256: string }] }}
 */
export const LIBTORCH = JSON.parse(readFileSync(join(root, 'src/fetch/libtorch.json'), 'utf8'));
export const LIBTORCH_VERSION = LIBTORCH.version;

/** Where downloads live between checkouts, by the XDG base directory rules. */
export function cacheFolder() {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'rank-distillm');
}
