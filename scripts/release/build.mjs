import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { ADDON_NAME, TORCH_ADDON_NAME } from '../lib/addon.mjs';
import { compileForCuda } from '../lib/cuda.mjs';
import { makeOnce } from '../lib/once.mjs';
import { pip } from '../lib/pip.mjs';
import {
  byVersion,
  libraryClosure,
  newest,
  readElf,
  REQUIREMENTS,
  TORCH_REQUIREMENTS,
  writeRequirements,
} from '../lib/requirements.mjs';
import { cacheFolder, root } from '../lib/root.mjs';
import { output, run } from '../lib/run.mjs';
import { say, SetupError } from '../lib/say.mjs';
import { GPU, OLDEST_VERSIONS } from './platforms.mjs';

/** @typedef {import('./platforms.mjs').Platform} Platform */

/** clang with the C libraries of all targets, from PyPI. */
export const ZIG_VERSION = '0.17.1';

/** Libraries that every Linux has. */
const SYSTEM_LIBRARIES = /^(lib(c|m|pthread|dl|rt)\.so(\.\d)?|ld-linux-[\w-]+\.so\.\d|libc\.musl-\w+\.so\.1)$/;

const zigFolder = () => join(cacheFolder(), `ziglang-${ZIG_VERSION}`);

/** Where zig is once a package was compiled. */
export const zigProgram = () => join(zigFolder(), 'ziglang', 'zig');

async function fetchZig() {
  await makeOnce(zigFolder(), async (work) => {
    say(`fetching zig ${ZIG_VERSION}, the cross compiler (100 MB)`);
    const args = ['install', '--quiet', '--no-deps', '--only-binary=:all:', '--target', work];
    await pip([...args, `ziglang==${ZIG_VERSION}`], { what: 'pip install ziglang' });
  });
}

/**
 * What a binary asks for beyond what its platform has.
 *
 * @param {{ needed: string[], versions: string[] }} elf
 * @param {Pick<Platform, 'libc'> & { libraries?: RegExp }} platform
 */
export function excesses({ needed, versions }, { libc, libraries }) {
  const isThere = (/** @type {string} */ name) => SYSTEM_LIBRARIES.test(name) || libraries?.test(name);
  const found = needed.filter((name) => !isThere(name)).map((name) => `it needs ${name}`);
  for (const [family, oldest] of Object.entries(OLDEST_VERSIONS)) {
    const asked = newest(versions, family);
    const allowed = libc === 'glibc' ? oldest : '0';
    if (byVersion(asked, allowed) > 0) found.push(`it needs ${family}_${asked}`);
  }
  return found;
}

/** @param {string} addon @param {{ needed: string[], versions: string[] }} elf @param {Parameters<typeof excesses>[1] & { name: string }} platform */
function throwIfExcessive(addon, elf, platform) {
  const wrong = excesses(elf, platform);
  if (wrong.length > 0) throw new SetupError(`${addon} would not run on every ${platform.name}: ${wrong.join('; ')}`);
}

/**
 * The engine for a platform in build/release/<name>, with what it needs of a machine. Only files that changed are compiled.
 *
 * @param {Platform} platform
 * @returns {Promise<string>} the folder with the engine and its requirements
 */
export async function crossCompile(platform) {
  const { name, cpu, libc, target, mcpu, kernels, cpuFlags } = platform;
  await fetchZig();
  const out = join(root, 'build/release', name);
  if (!output('cmake', ['--version'])) throw new SetupError('cmake was not found', 'sudo apt-get install cmake');
  if (kernels && !output(kernels.program, ['--version'])) {
    throw new SetupError(`${kernels.program} was not found`, `sudo apt-get install ${kernels.apt}`);
  }
  const script = join(root, 'scripts/release/kernel-compiler.sh');
  const launcher = kernels ? [script, kernels.program, `-mcpu=${mcpu}`, kernels.option] : [];
  const generator = output('ninja', ['--version']) ? ['-G', 'Ninja'] : [];
  const definitions = {
    CMAKE_TOOLCHAIN_FILE: join(root, 'scripts/release/zig.cmake'),
    RD_ZIG: zigProgram(),
    RD_TARGET: target,
    RD_CPU: mcpu,
    RANK_DISTILLM_KERNEL_LAUNCHER: launcher.join(';'),
    CMAKE_JS_INC: '', // the npm packages node-api-headers and node-addon-api have the headers
    CMAKE_LIBRARY_OUTPUT_DIRECTORY: join(out, 'Release'),
  };
  const options = Object.entries(definitions).map(([key, value]) => `-D${key}=${value}`);
  await run('cmake', ['-S', root, '-B', out, ...generator, ...options], { what: `configuring ${name}`, quiet: true });
  say(`compiling the engine for ${name} (minutes the first time)`);
  const jobs = String(availableParallelism());
  await run('cmake', ['--build', out, '--parallel', jobs, '--target', 'rank_distillm'], {
    what: `building ${name}`,
    quiet: true,
  });
  const addon = join(out, 'Release', ADDON_NAME);
  const elf = readElf(addon);
  throwIfExcessive(addon, elf, platform);
  const glibc = libc === 'glibc' ? { glibc: newest(elf.versions, 'GLIBC') } : {};
  const requirements = { platform: 'linux', arch: cpu, libc, ...glibc, cpuFlags };
  writeFileSync(join(out, 'Release', REQUIREMENTS), `${JSON.stringify(requirements, null, 2)}\n`);
  return join(out, 'Release');
}

/**
 * The engine for LibTorch's devices against a release of LibTorch with CUDA, in build/release/cuda-<version>.
 *
 * @param {string} version
 * @param {string} [architectures] of GPUs, as CMake writes them
 * @returns {Promise<{ folder: string, licence: string }>} the folder with the engine and its requirements; LibTorch's licence
 */
export async function compileGpu(version, architectures) {
  await fetchZig();
  const out = join(root, 'build/release', `cuda-${version}`);
  const folder = join(out, 'Release');
  const ours = (/** @type {string} */ name) => join(root, 'scripts/release', name);
  const options = [
    'CMAKE_SKIP_RPATH=ON', // no path of this machine: src/io/load-binding.ts opens LibTorch before it
    `CMAKE_LIBRARY_OUTPUT_DIRECTORY=${folder}`,
    // g++ compiles, since zig's C++ library is not LibTorch's
    `CMAKE_CXX_FLAGS=-include ${ours('oldest-libraries.h')}`,
    `CMAKE_CXX_LINKER_LAUNCHER=${[ours('oldest-linker.sh'), zigProgram(), GPU.target].join(';')}`,
    'HAS_EXCLUDE_LIBS=OFF', // of g++'s linker
  ];
  const torch = await compileForCuda({ torch: version, architectures, out, targets: ['rank_distillm_torch'], options });
  const addon = join(folder, TORCH_ADDON_NAME);
  await run('strip', [addon], { what: 'strip', hint: 'It comes with binutils.' });
  throwIfExcessive(addon, readElf(addon), GPU);
  const libraries = libraryClosure(addon, torch).map((name) => join(torch, 'lib', name));
  const commands = join(out, 'compile_commands.json');
  writeRequirements(join(folder, TORCH_REQUIREMENTS), [addon, ...libraries], commands, version);
  const wheel = dirname(torch);
  const info = readdirSync(wheel).find((name) => name.endsWith('.dist-info')) ?? '';
  return { folder, licence: join(wheel, info, 'licenses/LICENSE') };
}

/**
 * This checkout's own build, without its symbols, in place of a cross-compiled one: quick, but it needs this machine's
 * glibc or a newer one.
 *
 * @param {Platform} platform
 */
export async function takeOwnBuild({ name }) {
  const built = join(root, 'build/Release');
  const folder = join(root, 'build/release', `own-${name}`);
  if (!existsSync(join(built, ADDON_NAME))) {
    throw new SetupError('the native engine is not built', 'npm run setup builds it.');
  }
  mkdirSync(folder, { recursive: true });
  for (const file of [ADDON_NAME, REQUIREMENTS]) copyFileSync(join(built, file), join(folder, file));
  await run('strip', [join(folder, ADDON_NAME)], { what: 'strip', hint: 'It comes with binutils.' });
  return folder;
}
