// The package.json files of a release. That of the checkout lists what development needs; the published ones do not.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/root.mjs';
import { GPU, packageName, PLATFORMS } from './platforms.mjs';

/** @typedef {import('./platforms.mjs').Platform} Platform */

const readManifest = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Of the checkout's manifest, what the published ones have too. */
function common() {
  const { version, homepage, repository, bugs, license, engines } = readManifest();
  return { version, homepage, repository, bugs, license, engines };
}

/** Of rank-distillm itself. */
export function mainManifest() {
  const kept = readManifest();
  for (const key of ['devDependencies', 'scripts', 'files']) delete kept[key];
  const { tokenizers, ...dependencies } = kept.dependencies;
  return {
    ...kept,
    cpu: [...new Set(PLATFORMS.map(({ cpu }) => cpu))],
    scripts: { install: 'node scripts/release/install.mjs' },
    preferUnplugged: true, // yarn: threads, child processes and configurations are files of it
    dependencies,
    optionalDependencies: Object.fromEntries(PLATFORMS.map((platform) => [packageName(platform), kept.version])),
    // Each platform's package has the one file of it that the platform needs. Whoever builds from source installs it.
    peerDependencies: { ...kept.peerDependencies, tokenizers, [packageName(GPU)]: kept.version },
    peerDependenciesMeta: {
      ...kept.peerDependenciesMeta,
      tokenizers: { optional: true },
      [packageName(GPU)]: { optional: true },
    },
  };
}

/** @param {Pick<Platform, 'name' | 'cpu' | 'libc'>} platform @param {string} [main] the file of the package that it is loaded by */
export function platformManifest(platform, main) {
  const { name, cpu, libc } = platform;
  return {
    name: packageName(platform),
    description: `The engine of rank-distillm for ${name}`,
    ...common(),
    os: ['linux'],
    cpu: [cpu],
    libc: [libc],
    type: 'commonjs',
    ...(main !== undefined && { main }),
    preferUnplugged: true,
  };
}
