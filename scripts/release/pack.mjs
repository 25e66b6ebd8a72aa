// Makes the tarballs of a release in build/release: rank-distillm itself, a package with the engine for each platform, and one
// for GPUs.
// usage: node scripts/release/pack.mjs [--own] [--torch VERSION] [--architectures LIST] [PLATFORM ...]
//   --own            for this machine only, from its own build (npm run setup): quick, but it asks for this machine's glibc
//   --torch          linux-x64-cuda for this one of LibTorch's releases alone: a trial, not a release
//   --architectures  GPUs that it is compiled for, as CMake writes them, for example 90: likewise
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ADDON_NAME, TORCH_ADDON_NAME } from '../lib/addon.mjs';
import { hashOfFile } from '../lib/hash.mjs';
import { newest, readElf, REQUIREMENTS, TORCH_REQUIREMENTS } from '../lib/requirements.mjs';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';
import { compileGpu, crossCompile, takeOwnBuild, ZIG_VERSION, zigProgram } from './build.mjs';
import { mainManifest, platformManifest } from './manifest.mjs';
import { noticesOfGpu, noticesOfMain, noticesOfPlatform, noticesText } from './notices.mjs';
import { GPU, packageName, PLATFORMS } from './platforms.mjs';
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

/**
 * The requirements of a package whose every file loads: the tokenizer's may ask for a newer glibc than the engine.
 *
 * @param {string} file @param {{ glibc?: string }} requirements
 */
function withGlibcOf(file, requirements) {
  if (requirements.glibc === undefined) return requirements;
  const versions = [...readElf(file).versions, `GLIBC_${requirements.glibc}`];
  return { ...requirements, glibc: newest(versions, 'GLIBC') };
}

/** @param {Platform} platform @param {boolean} own */
async function stagePlatform(platform, own) {
  const built = own ? await takeOwnBuild(platform) : await crossCompile(platform);
  const folder = emptyStage(platform.name);
  cpSync(join(built, ADDON_NAME), join(folder, ADDON_NAME));
  const tokenizers = join(root, 'node_modules/tokenizers', `tokenizers.${platform.name}.node`);
  cpSync(tokenizers, join(folder, 'tokenizers.node'));
  const requirements = JSON.parse(readFileSync(join(built, REQUIREMENTS), 'utf8'));
  const needs = withGlibcOf(tokenizers, requirements);
  writeFileSync(join(folder, REQUIREMENTS), `${JSON.stringify(needs, null, 2)}\n`);
  const notices = noticesOfPlatform(own ? undefined : zigProgram(), ZIG_VERSION);
  writeTexts(folder, platformManifest(platform, ADDON_NAME), noticesText(notices));
  writeReadme(folder, platform, 'Install rank-distillm, which needs it.');
  return folder;
}

/** Of a package with an engine, beside its licence. @param {string} folder @param {Pick<Platform, 'name'>} platform @param {string} more */
function writeReadme(folder, platform, more) {
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const what = `The engine of [rank-distillm](https://www.npmjs.com/package/rank-distillm) for ${platform.name}.`;
  writeFileSync(join(folder, 'README.md'), `# ${packageName(platform)}\n\n${what} ${more}\n`);
}

/** @param {readonly string[]} versions of LibTorch @param {string} [architectures] */
async function stageGpu(versions, architectures) {
  const folder = emptyStage(GPU.name);
  const notices = [];
  for (const version of versions) {
    const { folder: built, licence } = await compileGpu(version, architectures);
    const place = join(folder, version.replace(/\.\d+$/, ''));
    mkdirSync(place);
    for (const file of [TORCH_ADDON_NAME, TORCH_REQUIREMENTS]) cpSync(join(built, file), join(place, file));
    notices.push(...noticesOfGpu(licence, version));
  }
  writeTexts(folder, platformManifest(GPU), noticesText(notices));
  writeReadme(folder, GPU, 'It needs LibTorch: `npx rank-distillm install-libtorch --cuda` downloads it.');
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
    options: { own: { type: 'boolean', default: false }, torch: { type: 'string' }, architectures: { type: 'string' } },
    allowPositionals: true,
  });
  const { own, torch, architectures } = values;
  const releases = GPU.torch.filter((version) => torch === undefined || version === torch);
  if (releases.length === 0) throw new SetupError(`--torch ${torch}: there are ${GPU.torch.join(', ')}`);
  const here = `linux-${process.arch}-gnu`;
  const all = [...PLATFORMS, GPU].map(({ name }) => name);
  const names = positionals.length > 0 ? positionals : own ? [here] : all;
  const platforms = names
    .filter((name) => name !== GPU.name)
    .map((name) => {
      const found = PLATFORMS.find((platform) => platform.name === name);
      if (!found) throw new SetupError(`no platform is called ${name}`, all.join(', '));
      if (own && name !== here) throw new SetupError(`${name}: --own packs the build of this machine, ${here}`);
      return found;
    });
  mkdirSync(target, { recursive: true });
  const folders = [await stageMain()];
  for (const platform of platforms) folders.push(await stagePlatform(platform, own));
  if (names.includes(GPU.name)) folders.push(await stageGpu(releases, architectures));
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
