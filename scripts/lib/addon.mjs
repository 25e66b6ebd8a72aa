import { existsSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { filesBelow, hashOf } from './hash.mjs';
import { findCudaLibtorch } from './cuda-libtorch.mjs';
import { findLibtorch } from './libtorch.mjs';
import { libraryClosure, writeRequirements } from './requirements.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { say } from './say.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';
import { checkBuildTools, checkCudaCompiler } from './tools.mjs';

export const ADDON_NAME = 'rank_distillm.node';
/** LibTorch's headers take that much memory in each compiler process. */
const MEMORY_PER_JOB = 1.5 * 2 ** 30;

const inputs = () => [
  join(root, 'CMakeLists.txt'),
  ...filesBelow(join(root, 'native')),
  join(root, 'scripts', 'lib', 'requirements.mjs'), // it writes requirements.json beside the addon
];

/** A CMake cache of another checkout or another LibTorch holds paths that CMake would keep. @param {string} out @param {string[]} wanted */
function dropStaleCache(out, wanted) {
  const cache = join(out, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const text = readFileSync(cache, 'utf8');
  const isOurs =
    text.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`) &&
    wanted.every((value) => text.includes(`=${value.slice(value.indexOf('=') + 1)}\n`));
  if (isOurs) return;
  rmSync(cache);
  rmSync(join(out, 'CMakeFiles'), { recursive: true, force: true });
}

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
  await run(process.execPath, [...cmakeJs, ...defines, 'configure'], {
    what: 'configuring the addon',
    hint,
    cwd: root,
    quiet: true,
  });
  await run(process.execPath, [...cmakeJs, '-p', String(jobs), 'build'], {
    what: 'building the addon',
    hint,
    cwd: root,
    quiet: true,
  });
  const folder = join(out, 'Release');
  const addon = join(folder, ADDON_NAME);
  const names = libraryClosure(addon, libtorch);
  // LibTorch with CUDA finds CUDA's libraries from where it lies, so the addon looks for it there.
  if (cuda) for (const name of names) rmSync(join(folder, name), { force: true });
  else linkLibraries(folder, libtorch, names);
  const files = [addon, ...names.map((name) => join(libtorch, 'lib', name))];
  writeRequirements(folder, files, join(out, 'compile_commands.json'));
  return { addon, names };
}

/**
 * Builds build/Release/rank_distillm.node, unless it is there and nothing it is made of has changed. With
 * RANK_DISTILLM_CUDA=1 it is built for CUDA, and stays so for calls that do not say otherwise (RANK_DISTILLM_CUDA=0).
 */
export async function ensureAddon() {
  const stamp = readStamp('addon');
  const wish = process.env['RANK_DISTILLM_CUDA'] ?? '';
  const cuda = wish === '' ? stamp['cuda'] === true : wish !== '0';
  const usedBefore = stamp['cuda'] === cuda && typeof stamp['libtorch'] === 'string' ? stamp['libtorch'] : undefined;
  if (cuda) checkCudaCompiler(); // nobody should wait for gigabytes only to hear that there is no compiler
  const libtorch = cuda ? await findCudaLibtorch() : await findLibtorch(usedBefore);
  const addon = join(root, 'build/Release', ADDON_NAME);
  const before = hashOf(inputs());
  const isBuilt =
    stamp['inputs'] === before && stamp['libtorch'] === libtorch && stamp['output'] === fingerprint(addon);
  if (isBuilt && fingerprint(addon) !== undefined) return false;
  say(`building the native engine against ${libtorch} (minutes the first time)`);
  const { names } = await compileAddon({ out: join(root, 'build'), libtorch, cuda });
  writeStamp('addon', { inputs: before, libtorch, cuda, libraries: names, output: fingerprint(addon) });
  return true;
}
