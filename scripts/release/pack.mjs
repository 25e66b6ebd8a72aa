// Makes the tarballs of a release in build/release: rank-distillm itself, and a package with the engine for each platform.
// usage: node scripts/release/pack.mjs [--own] [PLATFORM ...]
//   --own   for this machine only, from its own build (npm run setup): quick, but it asks for this machine's glibc
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ADDON_NAME } from '../lib/addon.mjs';
import { hashOfFile } from '../lib/hash.mjs';
import { REQUIREMENTS } from '../lib/requirements.mjs';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';
import { crossCompile, takeOwnBuild, ZIG_VERSION, zigProgram } from './build.mjs';
import { mainManifest, platformManifest } from './manifest.mjs';
import { noticesOfMain, noticesOfPlatform, noticesText } from './notices.mjs';
import { packageName, PLATFORMS } from './platforms.mjs';
import { billOfMaterials } from './sbom.mjs';

/** @typedef {import('./platforms.mjs').Platform} Platform */

const target = join(root, 'build/release');

/** What the package rank-distillm takes from the checkout. */
const MAIN_FILES = [
  ...['dist', 'binding.d.ts', 'configs', 'docs', 'native', 'CMakeLists.txt', 'scripts/release/install.mjs'],
  ...['README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
];
/** Headers that the engine is compiled with, by their place in node_modules. */
const HEADERS = [
  'node-api-headers/include',
  ...['napi.h', 'napi-inl.h', 'napi-inl.deprecated.h'].map((file) => `node-addon-api/${file}`),
];

/** @param {string} folder @param {Record<string, unknown>} manifest @param {string} notices */
function writeTexts(folder, manifest, notices) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, 'THIRD_PARTY_NOTICES'), notices);
}

/** @param {string} name */
function emptyStage(name) {
  const folder = join(target, 'stage', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

async function stageMain() {
  const folder = emptyStage('rank-distillm');
  for (const file of MAIN_FILES) {
    // Source maps point at sources that are not in the package.
    cpSync(join(root, file), join(folder, file), { recursive: true, filter: (path) => !path.endsWith('.js.map') });
  }
  for (const path of HEADERS) {
    const headers = join(root, 'node_modules', path);
    cpSync(headers, join(folder, 'third_party', path), { recursive: true, filter: (file) => !file.endsWith('.def') });
  }
  writeTexts(folder, mainManifest(), noticesText(await noticesOfMain()));
  return folder;
}

/** @param {Platform} platform @param {boolean} own */
async function stagePlatform(platform, own) {
  const built = own ? await takeOwnBuild(platform) : await crossCompile(platform);
  const folder = emptyStage(platform.name);
  for (const file of [ADDON_NAME, REQUIREMENTS]) cpSync(join(built, file), join(folder, file));
  const tokenizers = join(root, 'node_modules/tokenizers', `tokenizers.${platform.name}.node`);
  cpSync(tokenizers, join(folder, 'tokenizers.node'));
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(
    join(folder, 'README.md'),
    `# ${packageName(platform)}\n\nThe engine of [rank-distillm](https://www.npmjs.com/package/rank-distillm) for ` +
      `${platform.name}. Install rank-distillm, which needs it.\n`,
  );
  const notices = noticesOfPlatform(own ? undefined : zigProgram(), ZIG_VERSION);
  writeTexts(folder, platformManifest(platform), noticesText(notices));
  return folder;
}

/** @param {string} folder @returns {Promise<{ name: string, file: string, packed: number, unpacked: number }>} */
async function packFolder(folder) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', target, folder];
  const printed = JSON.parse(await run('npm', args, { what: `npm pack ${folder}`, quiet: true, cwd: target }));
  // npm 10 prints an array, npm 11 may print an object by package name
  const [{ name, filename, size, unpackedSize }] = Object.values(printed);
  return { name, file: filename.replace('@', '').replace('/', '-'), packed: size, unpacked: unpackedSize };
}

const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

try {
  const { values, positionals } = parseArgs({
    options: { own: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const { own } = values;
  const here = `linux-${process.arch}-gnu`;
  const names = positionals.length > 0 ? positionals : own ? [here] : PLATFORMS.map(({ name }) => name);
  const platforms = names.map((name) => {
    const found = PLATFORMS.find((platform) => platform.name === name);
    if (!found) throw new SetupError(`no platform is called ${name}`, PLATFORMS.map((each) => each.name).join(', '));
    if (own && name !== here) throw new SetupError(`${name}: --own packs the build of this machine, ${here}`);
    return found;
  });
  mkdirSync(target, { recursive: true });
  const folders = [await stageMain()];
  for (const platform of platforms) folders.push(await stagePlatform(platform, own));
  for (const name of readdirSync(target)) if (name.endsWith('.tgz')) rmSync(join(target, name));
  const sums = [];
  for (const folder of folders) {
    const { name, file, packed, unpacked } = await packFolder(folder);
    sums.push(`${await hashOfFile(join(target, file))}  ${file}`);
    say(`${name}: ${megabytes(packed)} packed, ${megabytes(unpacked)} unpacked`);
  }
  writeFileSync(join(target, 'SHA256SUMS'), `${sums.join('\n')}\n`);
  writeFileSync(join(target, 'sbom.cdx.json'), await billOfMaterials(join(target, 'sbom')));
  say(`${target} has the tarballs, their SHA-256 sums and the bill of materials`);
} catch (error) {
  giveUp(error);
}
