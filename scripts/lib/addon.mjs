import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow, hashOf } from './hash.mjs';
import { ensureLibtorch } from './libtorch.mjs';
import { LIBTORCH_VERSION, root } from './root.mjs';
import { run } from './run.mjs';
import { say } from './say.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';
import { checkBuildTools } from './tools.mjs';

/** LibTorch's libraries that the addon needs; they lie beside it, where its `$ORIGIN` run path finds them. */
const LIBRARIES = ['libtorch.so', 'libtorch_cpu.so', 'libc10.so', 'libgomp.so.1'];

/** The instructions that the binary uses without asking; everything above is chosen at run time. */
const CPU_FLAGS = ['sse4_1', 'sse4_2', 'popcnt'];

export const releaseFolder = join(root, 'build', 'Release');
const addon = join(releaseFolder, 'rank_distillm.node');

/** @param {string} a @param {string} b */
function compareVersions(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** The newest version of a symbol family (`GLIBC`) that any of the files asks for. @param {string} family @param {string[]} files */
function newestVersion(family, files) {
  const pattern = new RegExp(`${family}_(\\d+(?:\\.\\d+)+)`, 'g');
  const versions = files.flatMap((file) => [...dynamicStrings(file).matchAll(pattern)].map((match) => match[1] ?? '0'));
  return versions.sort(compareVersions).at(-1) ?? '0';
}

/**
 * The dynamic string table of an ELF file, where the names of needed symbol versions stand.
 * ELF-64 layout: https://refspecs.linuxfoundation.org/elf/elf.pdf
 * @param {string} file
 */
function dynamicStrings(file) {
  const bytes = readFileSync(file);
  const sections = Number(bytes.readBigUInt64LE(0x28));
  const size = bytes.readUInt16LE(0x3a);
  const SHT_DYNSYM = 11;
  const header = (/** @type {number} */ index) => sections + index * size;
  for (let i = 0; i < bytes.readUInt16LE(0x3c); i++) {
    if (bytes.readUInt32LE(header(i) + 4) !== SHT_DYNSYM) continue;
    const strings = header(bytes.readUInt32LE(header(i) + 40));
    const start = Number(bytes.readBigUInt64LE(strings + 24));
    return bytes.toString('latin1', start, start + Number(bytes.readBigUInt64LE(strings + 32)));
  }
  return '';
}

/** Puts LibTorch's libraries and a note of what the binary needs beside the addon. @param {string} libtorch */
function furnish(libtorch) {
  for (const name of LIBRARIES) {
    const link = join(releaseFolder, name);
    rmSync(link, { force: true });
    symlinkSync(realpathSync(join(libtorch, 'lib', name)), link);
  }
  const binaries = [addon, ...LIBRARIES.map((name) => join(releaseFolder, name))];
  const requirements = {
    platform: 'linux',
    arch: 'x64',
    glibc: newestVersion('GLIBC', binaries),
    libstdcxx: newestVersion('GLIBCXX', binaries),
    cpuFlags: CPU_FLAGS,
    libtorch: LIBTORCH_VERSION,
  };
  writeFileSync(join(releaseFolder, 'requirements.json'), `${JSON.stringify(requirements, null, 2)}\n`);
}

/** Compiles the addon unless the one that is there was made from the same sources. */
export async function ensureAddon() {
  const libtorch = await ensureLibtorch();
  const sources = [...filesBelow(join(root, 'native')), ...['CMakeLists.txt', 'package-lock.json'].map((f) => join(root, f))];
  const wanted = hashOf(sources, [libtorch, process.env['CXX'] ?? '', readFileSync(new URL(import.meta.url), 'utf8')]);
  const stamp = readStamp('addon');
  const isComplete = LIBRARIES.every((name) => existsSync(join(releaseFolder, name)));
  if (stamp['sources'] === wanted && stamp['built'] === fingerprint(addon) && isComplete) return false;
  checkBuildTools();
  say('compiling the native engine');
  await compile(join(root, 'build'), libtorch, []);
  furnish(libtorch);
  writeStamp('addon', { sources: wanted, built: fingerprint(addon) });
  return true;
}

/**
 * Configures and builds with cmake-js, which finds Node-API's headers.
 * @param {string} folder
 * @param {string} libtorch
 * @param {string[]} definitions CMake's, without -D
 */
export async function compile(folder, libtorch, definitions) {
  const cmakeJs = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js');
  const all = [`Torch_DIR=${join(libtorch, 'share', 'cmake', 'Torch')}`, ...definitions];
  const args = [cmakeJs, 'compile', '--out', folder, '--parallel', '2', ...all.map((definition) => `--CD${definition}`)];
  await run(process.execPath, args, {
    what: 'compiling the native engine',
    hint: 'The compiler’s message stands above. After an update of the compiler, remove the folder build and try again.',
    cwd: root,
    quiet: true,
  });
}

/** A folder as published packages hold it: real files, no links. @param {string} target */
export function copyRelease(target) {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const name of ['rank_distillm.node', 'requirements.json', ...LIBRARIES]) {
    cpSync(join(releaseFolder, name), join(target, name), { dereference: true });
  }
}
