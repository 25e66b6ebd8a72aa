import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';

/**
 * The software bill of materials of what an install brings, in CycloneDX's JSON: npm makes it from the lock file.
 * `npm sbom --omit=dev` leaves out what development needs too, so it gets a lock file without the rest.
 *
 * @param {string} work a folder to use
 */
export async function billOfMaterials(work) {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const read = (/** @type {string} */ name) => JSON.parse(readFileSync(join(root, name), 'utf8'));
  const manifest = read('package.json');
  delete manifest.devDependencies;
  const lock = read('package-lock.json');
  const kept = Object.entries(lock.packages).filter(([, { dev }]) => !dev);
  lock.packages = Object.fromEntries(kept);
  delete lock.packages[''].devDependencies;
  writeFileSync(join(work, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(work, 'package-lock.json'), JSON.stringify(lock));
  const args = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=library'];
  return await run('npm', args, { what: 'npm sbom', cwd: work, quiet: true });
}
