import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './root.mjs';

/** @param {string} name */
const fileOf = (name) => join(root, 'build', 'stamps', `${name}.json`);

/** What a step noted when it last succeeded; an empty object when it never did. @param {string} name */
export function readStamp(name) {
  try {
    return /** @type {Record<string, unknown>} */ (JSON.parse(readFileSync(fileOf(name), 'utf8')));
  } catch {
    return {};
  }
}

/** @param {string} name @param {Record<string, unknown>} value */
export function writeStamp(name, value) {
  const file = fileOf(name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.tmp`, JSON.stringify(value, null, 2));
  renameSync(`${file}.tmp`, file);
}

/** Before work that may end halfway: until it is noted again, the step counts as never done. @param {string} name */
export function dropStamp(name) {
  rmSync(fileOf(name), { force: true });
}

/** Tells whether a built file is still the one that was built: its size and time. @param {string} file */
export function fingerprint(file) {
  try {
    const { size, mtimeMs } = statSync(file);
    return `${size}:${mtimeMs}`;
  } catch {
    return undefined;
  }
}
