import { existsSync, lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { dropCache, dropStaleCache } from './cmake.mjs';
import { filesBelow, hashOf } from './hash.mjs';
import { findLibtorch, LIBTORCH_VERSION, presentLibtorch } from './libtorch.mjs';
import { libraryClosure, REQUIREMENTS, TORCH_REQUIREMENTS, unmetNeeds, writeRequirements } from './requirements.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { say, SetupError } from './say.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';
import { checkBuildTools, checkCudaCompiler } from './tools.mjs';

/** The engine for the CPU, which needs no library. */
export const ADDON_NAME = 'rank_distillm.node';
/** The engine for LibTorch's devices. It lies beside the other. */
export const TORCH_ADDON_NAME = 'rank_distillm_torch.node';
/** LibTorch's headers take that much memory in each compiler process. */
const MEMORY_PER_JOB = 1.5 * 2 ** 30;

/** The checkout's build and the addons in it. */
const build = join(root, 'build');
const release = join(build, 'Release');

const inputs = () => [
  join(root, 'CMakeLists.txt'),
  ...filesBelow(join(root, 'native')),
  join(root, 'scripts', 'lib', 'requirements.mjs'), // it writes the requirements beside the addons
];

/** @typedef {{ libtorch: string, cuda: boolean }} Torch what rank_distillm_torch.node is built against */
/**
 * @typedef {object} Build
 * @property {string} out the addon comes into `out`/Release
 * @property {Torch | undefined} [torch]
 * @property {string} [arch] another architecture
 * @property {string[]} [options] more of CMake's, as `NAME=VALUE`
 * @property {boolean} [quick] in a third of the time, for this machine and without what tests and lint need
 */

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

/** Compiles rank_distillm_torch.node and puts what it needs beside it. Returns the names of its libraries. @param {Build & { torch: Torch }} build */
async function compileTorchAddon({ out, torch, options = [] }) {
  await compile({ out, targets: ['rank_distillm_torch'], torch, options });
  const { libtorch, cuda } = torch;
  const folder = join(out, 'Release');
  const addon = join(folder, TORCH_ADDON_NAME);
  const names = libraryClosure(addon, libtorch);
  // LibTorch with CUDA finds CUDA's libraries from where it lies, so the addon looks for it there.
  if (cuda) for (const name of names) rmSync(join(folder, name), { force: true });
  else linkLibraries(folder, libtorch, names);
  const libraries = names.map((name) => join(libtorch, 'lib', name));
  const commands = join(out, 'compile_commands.json');
  writeRequirements(join(folder, TORCH_REQUIREMENTS), [addon, ...libraries], commands, LIBTORCH_VERSION);
  return names;
}

/** Compiles targets of CMake. @param {Build & { targets: string[] }} build */
async function compile({ out, targets, torch, options = [], quick = false }) {
  checkBuildTools();
  const onOrOff = (/** @type {boolean | undefined} */ value) => (value ? 'ON' : 'OFF');
  const defines = [
    `RANK_DISTILLM_TORCH=${torch?.libtorch ?? ''}`,
    `RANK_DISTILLM_CUDA=${onOrOff(torch?.cuda)}`,
    `RANK_DISTILLM_QUICK=${onOrOff(quick)}`,
  ];
  dropStaleCache(out, torch?.libtorch);
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / MEMORY_PER_JOB)));
  const configure = [...defines, ...options].map((define) => `--CD${define}`);
  const hint = 'The compiler or CMake says above what is wrong. `rm -rf build` starts afresh.';
  const cmakeJs = [
    join(root, 'node_modules/cmake-js/bin/cmake-js'),
    '-O',
    out,
    '-l',
    'warn',
    ...configure,
    'configure',
  ];
  await run(process.execPath, cmakeJs, { what: 'configuring the addon', hint, cwd: root, quiet: true });
  const cmake = ['--build', out, '--parallel', String(jobs), '--target', ...targets];
  await run('cmake', cmake, { what: 'building the addon', hint, cwd: root, quiet: true });
}

/** Compiles rank_distillm.node and returns its place. @param {Build} build `torch`: for targets that are built later */
export async function compileAddon({ out, ...more }) {
  await compile({ out, targets: ['rank_distillm'], ...more });
  const addon = join(out, 'Release', ADDON_NAME);
  const requirements = join(out, 'Release', REQUIREMENTS);
  writeRequirements(requirements, [addon], join(out, 'compile_commands.json'), undefined, more.arch);
  return addon;
}

/**
 * What an addon of this checkout is built from; with how it came out it makes the stamp. The checkout's own place is part
 * of it: a folder that was moved or copied with its build has paths of the old one in it.
 * @param {Torch} [torch]
 */
const origin = (torch) => ({ root, inputs: hashOf(inputs()), ...torch });

/** @param {Record<string, unknown>} stamp @param {Record<string, unknown>} wanted @param {string} addon @param {string} requirements */
function isBuilt(stamp, wanted, addon, requirements) {
  const output = fingerprint(join(release, addon));
  if (output === undefined || stamp['output'] !== output) return false;
  if (Object.entries(wanted).some(([name, value]) => stamp[name] !== value)) return false;
  const libraries = stamp['cuda'] ? [] : /** @type {string[]} */ (stamp['libraries'] ?? []);
  return libraries.every((name) => existsSync(join(release, name))) && unmetNeeds(release, requirements)?.length === 0;
}

/**
 * What is asked for, and where the last build of that found LibTorch; undefined where nobody asked for LibTorch.
 * @param {Record<string, unknown>} stamp
 * @param {boolean} asked
 */
function wish(stamp, asked) {
  const text = process.env['RANK_DISTILLM_CUDA'] ?? '';
  const cuda = text === '' ? stamp['cuda'] === true : text !== '0';
  if (!asked && !cuda && stamp['libtorch'] === undefined) return undefined;
  const { libtorch } = stamp;
  return { cuda, usedBefore: stamp['cuda'] === cuda && typeof libtorch === 'string' ? libtorch : undefined };
}

/**
 * Tells whether the engine for the CPU is there. Beside LibTorch's it has to be a full build; alone it may be one that
 * RANK_DISTILLM_BINDING names, for example a release's, which saves the compiler.
 * @param {boolean} full
 */
function isEngineBuilt(full) {
  if (!full && process.env['RANK_DISTILLM_BINDING']) return true;
  const stamp = readStamp('addon');
  return !(full && stamp['quick']) && isBuilt(stamp, origin(), ADDON_NAME, REQUIREMENTS);
}

/** Tells whether `ensureAddons` would find nothing to do. @param {boolean} asked as there */
export function areAddonsBuilt(asked) {
  const stamp = readStamp('torch-addon');
  const wished = wish(stamp, asked);
  if (!isEngineBuilt(wished !== undefined)) return false;
  if (wished === undefined) return true;
  const libtorch = presentLibtorch(wished.usedBefore, wished.cuda);
  if (libtorch === undefined) return false;
  return isBuilt(stamp, origin({ libtorch, cuda: wished.cuda }), TORCH_ADDON_NAME, TORCH_REQUIREMENTS);
}

/** @param {string} name @param {string} requirements */
function throwIfUnmet(name, requirements) {
  const unmet = unmetNeeds(release, requirements) ?? [];
  if (unmet.length === 0) return;
  throw new SetupError(
    `${name} was built, but cannot run on this machine: ${unmet.join('; ')}`,
    'It needs a newer Linux or CPU.',
  );
}

/**
 * Builds build/Release/rank_distillm.node, unless it is there, runs here and nothing it is made of has changed: quickly,
 * where nothing else is asked for. The same for rank_distillm_torch.node beside it where it is asked for, or was built
 * before. With RANK_DISTILLM_CUDA=1 that one is built for CUDA, and stays so for calls that do not say otherwise
 * (RANK_DISTILLM_CUDA=0).
 * @param {boolean} asked whether the addon for LibTorch is needed
 */
export async function ensureAddons(asked) {
  const stamp = readStamp('torch-addon');
  const wished = wish(stamp, asked);
  if (wished?.cuda) checkCudaCompiler(); // nobody should wait for gigabytes only to hear that there is no compiler
  const torch = wished && { libtorch: await findLibtorch(wished.usedBefore, wished.cuda), cuda: wished.cuda };
  const quick = torch === undefined;
  let done = false;
  if (!isEngineBuilt(!quick)) {
    // Objects made with the headers of a newer C library would ask for it again.
    if (unmetNeeds(release, REQUIREMENTS)?.length) dropCache(build);
    say(`building the native engine (${quick ? 'a minute' : 'minutes'} the first time)`);
    await compileAddon({ out: build, torch, quick });
    throwIfUnmet('the native engine', REQUIREMENTS);
    writeStamp('addon', { ...origin(), quick, output: fingerprint(join(release, ADDON_NAME)) });
    done = true;
  }
  if (torch && !isBuilt(stamp, origin(torch), TORCH_ADDON_NAME, TORCH_REQUIREMENTS)) {
    say(`building the engine for devices against ${torch.libtorch} (minutes the first time)`);
    const libraries = await compileTorchAddon({ out: build, torch });
    throwIfUnmet('the engine for devices', TORCH_REQUIREMENTS);
    const output = fingerprint(join(release, TORCH_ADDON_NAME));
    writeStamp('torch-addon', { ...origin(torch), libraries, output });
    done = true;
  }
  return done;
}
