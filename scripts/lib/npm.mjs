import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { say } from './say.mjs';

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, peer?: boolean, link?: boolean }} LockedPackage
 * @param {string} file
 * @returns {Record<string, LockedPackage> | undefined}
 */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined; // not there, or cut off: npm says more of it
  }
}

/**
 * npm writes what it installed to node_modules/.package-lock.json. It is up to date when it has every package of
 * package-lock.json at the same version, optional ones of other platforms left out, and none besides.
 */
export function isInstalled() {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const installed = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted || !installed) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = installed[path];
    if (!found && entry.optional) continue;
    if (found?.version !== entry.version || found?.integrity !== entry.integrity) return false;
  }
  return Object.keys(installed).every((path) => path in wanted);
}

/** Installs exactly what package-lock.json says, unless it is installed already. */
export async function ensureDependencies() {
  if (isInstalled()) return false;
  say('installing npm dependencies');
  // No package of ours needs an install script: tokenizers brings its binaries in packages of its own.
  // `npm run --silent` is inherited, and would hide why it fails.
  await run('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=warn'], {
    what: 'npm ci',
    hint: 'Check the network and the npm registry (npm ping); package-lock.json and package.json must agree.',
    cwd: root,
  });
  return true;
}
