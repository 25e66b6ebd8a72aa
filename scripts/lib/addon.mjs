import { existsSync, lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { dropCache, dropStaleCache } from './cmake.mjs';
import { filesBelow, hashOf } from './hash.mjs';
import { findLibtorch, presentLibtorch } from './libtorch.mjs';
import { libraryClosure, unmetNeeds, writeRequirements } from './requirements.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { say, SetupError } from './say.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';
import { checkBuildTools, checkCudaCompiler } from './tools.mjs';

export const ADDON_NAME = 'rank_distillm.node';
/** LibTorch's headers take that much memory in each compiler process. */
const MEMORY_PER_JOB = 1.5 * 2 ** 30;

/** The checkout's build and the addon in it. */
const build = join(root, 'build');
const release = join(build, 'Release');

const inputs = () => [
  join(root, 'CMakeLists.txt'),
  ...filesBelow(join(root, 'native')),
  join(root, 'scripts', 'lib', 'requirements.mjs'), // it writes requirements.json beside the addon
];

/** Where CMake is to find LibTorch, as `NAME=VALUE`. @param {string} libtorch @param {boolean} cuda */
function torchDefines(libtorch, cuda) {
  if (cuda) return ['RANK_DISTILLM_CUDA=ON', `RANK_DISTILLM_TORCH=${libtorch}`];
  return ['RANK_DISTILLM_CUDA=OFF', `Torch_DIR=${join(libtorch, 'share/cmake/Torch')}`];
}

/** RPATH is `$ORIGIN`: LibTorch's files are looked for beside the addon, where a checkout has links to them. @param {string} folder @param {string} libtorch @param {string[]} names */
function linkLibraries(folder, libtorch, names) {
  for (const name of names) {
    const link = join(folder, name);
    const target = join(libtorch, 'lib', name);
    if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(link) === target) continue;
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

/**
 * Compiles the addon into `out`/Release and puts what it needs beside it.
 * @param {{ out: string, libtorch: string, cuda?: boolean, options?: string[] }} build `options`: more for CMake, as
 * `NAME=VALUE`
 */
export async function compileAddon({ out, libtorch, cuda = false, options = [] }) {
  checkBuildTools();
  const torch = torchDefines(libtorch, cuda);
  dropStaleCache(out, torch.slice(1));
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / MEMORY_PER_JOB)));
  const cmakeJs = [join(root, 'node_modules/cmake-js/bin/cmake-js'), '-O', out, '-l', 'warn'];
  const defines = [...torch, ...options].map((define) => `--CD${define}`);
  const hint = 'The compiler or CMake says above what is wrong. `rm -rf build` starts afresh.';
  for (const [what, args] of /** @type {[string, string[]][]} */ ([
    ['configuring the addon', [...defines, 'configure']],
    ['building the addon', ['-p', String(jobs), 'build']],
  ])) {
    await run(process.execPath, [...cmakeJs, ...args], { what, hint, cwd: root, quiet: true });
  }
  const folder = join(out, 'Release');
  const addon = join(folder, ADDON_NAME);
  const names = libraryClosure(addon, libtorch);
  // LibTorch with CUDA finds CUDA's libraries from where it lies, so the addon looks for it there.
  if (cuda) for (const name of names) rmSync(join(folder, name), { force: true });
  else linkLibraries(folder, libtorch, names);
  const libraries = names.map((name) => join(libtorch, 'lib', name));
  writeRequirements(addon, libraries, join(out, 'compile_commands.json'));
  return { addon, names };
}

/**
 * What the addon of this checkout is built from; with how it came out it makes the stamp. The checkout's own place is part
 * of it: a folder that was moved or copied with its build has paths of the old one in it.
 * @param {string} libtorch
 * @param {boolean} cuda
 */
const origin = (libtorch, cuda) => ({ root, inputs: hashOf(inputs()), libtorch, cuda });

/** @param {Record<string, unknown>} stamp @param {Record<string, unknown>} wanted */
function isBuilt(stamp, wanted) {
  const output = fingerprint(join(release, ADDON_NAME));
  if (output === undefined || stamp['output'] !== output) return false;
  if (Object.entries(wanted).some(([name, value]) => stamp[name] !== value)) return false;
  const libraries = stamp['cuda'] ? [] : /** @type {string[]} */ (stamp['libraries'] ?? []);
  return libraries.every((name) => existsSync(join(release, name))) && unmetNeeds(release)?.length === 0;
}

/** What is asked for, and where the last build of that found LibTorch. @param {Record<string, unknown>} stamp */
function wish(stamp) {
  const text = process.env['RANK_DISTILLM_CUDA'] ?? '';
  const cuda = text === '' ? stamp['cuda'] === true : text !== '0';
  const { libtorch } = stamp;
  return { cuda, usedBefore: stamp['cuda'] === cuda && typeof libtorch === 'string' ? libtorch : undefined };
}

/** Tells whether `ensureAddon` would find nothing to do. */
export function isAddonBuilt() {
  const stamp = readStamp('addon');
  const { cuda, usedBefore } = wish(stamp);
  const libtorch = presentLibtorch(usedBefore, cuda);
  return libtorch !== undefined && isBuilt(stamp, origin(libtorch, cuda));
}

/**
 * Builds build/Release/rank_distillm.node, unless it is there, runs here and nothing it is made of has changed. With
 * RANK_DISTILLM_CUDA=1 it is built for CUDA, and stays so for calls that do not say otherwise (RANK_DISTILLM_CUDA=0).
 */
export async function ensureAddon() {
  const stamp = readStamp('addon');
  const { cuda, usedBefore } = wish(stamp);
  if (cuda) checkCudaCompiler(); // nobody should wait for gigabytes only to hear that there is no compiler
  const libtorch = await findLibtorch(usedBefore, cuda);
  const wanted = origin(libtorch, cuda);
  if (isBuilt(stamp, wanted)) return false;
  // Objects made with the headers of a newer C library would ask for it again.
  if (unmetNeeds(release)?.length) dropCache(build);
  say(`building the native engine against ${libtorch} (minutes the first time)`);
  const { names } = await compileAddon({ out: build, libtorch, cuda });
  const unmet = unmetNeeds(release) ?? [];
  if (unmet.length > 0) {
    throw new SetupError(
      `the native engine was built, but cannot run on this machine: ${unmet.join('; ')}`,
      'LibTorch needs a newer Linux or CPU.',
    );
  }
  writeStamp('addon', { ...wanted, libraries: names, output: fingerprint(join(release, ADDON_NAME)) });
  return true;
}
