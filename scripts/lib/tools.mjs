import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { OBJDUMP } from './requirements.mjs';
import { root } from './root.mjs';
import { output } from './run.mjs';
import { SetupError } from './say.mjs';

/** The oldest CMake that CMakeLists.txt accepts. */
const OLDEST_CMAKE = [3, 22];

/** Where nvcc and the profilers are on machines whose PATH lacks them. */
const CUDA_PROGRAMS = '/usr/local/cuda/bin';
/** The oldest nvcc that LibTorch's CUDA headers and the kernels were compiled with. */
const OLDEST_NVCC = [13, 0];

/**
 * LibTorch's headers need these of C++20, and the kernels __builtin_shufflevector, which g++ has from 12 on; trying them
 * beats guessing from version numbers.
 */
const PROBE = `#include <concepts>
#include <span>
#include <bit>
template <std::integral T> T f(T x) { return std::bit_width(unsigned(x)); }
typedef int V __attribute__((vector_size(16)));
V reverse(V v) { return __builtin_shufflevector(v, v, 3, 2, 1, 0); }
int main() { return f(1) - 1; }
`;

/** @param {string} version @param {number[]} oldest */
function isAtLeast(version, oldest) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = oldest;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/**
 * Whether a version of Node.js is within package.json's `engines`, before npm has installed anything that could tell.
 *
 * @param {string} version
 * @param {string} range `^1.2.3` and `>=1.2.3`, with `||` between them
 */
export function isWithin(version, range) {
  return range.split('||').some((part) => {
    const found = /^(\^|>=)(\d+\.\d+\.\d+)$/.exec(part.trim());
    if (!found) throw new Error(`engines: ${part.trim()}: only ^1.2.3 and >=1.2.3 are understood`);
    const [, operator, oldest = ''] = found;
    const isNewEnough = version.localeCompare(oldest, 'en', { numeric: true }) >= 0;
    return isNewEnough && (operator === '>=' || version.split('.')[0] === oldest.split('.')[0]);
  });
}

/** As package.json has it: needed even when everything is built. */
export function checkNode() {
  const { engines } = /** @type {{ engines: { node: string } }} */ (
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  );
  if (!isWithin(process.versions.node, engines.node)) {
    throw new SetupError(
      `Node.js ${engines.node.replace('||', 'or')} is needed, this is ${process.versions.node}`,
      'Get one from https://nodejs.org, or with a version manager: nvm install 22',
    );
  }
}

/** Needed even when everything is built. */
export function checkPlatform() {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new SetupError(
      `this package builds on Linux x64 and arm64 only, this is ${process.platform} ${process.arch}`,
      'Use a Linux machine or container.',
    );
  }
}

/** What nvcc says of its version; undefined where there is none. Lets this process's children find it, too. */
export function nvccVersion() {
  const path = process.env['PATH'] ?? '';
  if (!path.split(delimiter).includes(CUDA_PROGRAMS)) process.env['PATH'] = [path, CUDA_PROGRAMS].join(delimiter);
  return /release (\d+\.\d+)/.exec(output('nvcc', ['--version']) ?? '')?.[1];
}

/** CUDA's compiler: needed only for a build for GPUs. */
export function checkCudaCompiler() {
  const version = nvccVersion();
  if (version !== undefined && isAtLeast(version, OLDEST_NVCC)) return;
  throw new SetupError(
    `to build for CUDA, this machine lacks nvcc ${OLDEST_NVCC.join('.')} or newer: ${version ? `this is ${version}` : 'it was not found'}`,
    'Install the CUDA toolkit and put its bin folder on PATH. RANK_DISTILLM_CUDA=0 builds for the CPU.',
  );
}

/** What is wrong with the C++ compiler. */
function compilerComplaint() {
  const compiler = process.env['CXX'] || ['c++', 'g++', 'clang++'].find((name) => output(name, ['--version']));
  if (!compiler) return 'none of c++, g++, clang++ was found';
  const [command = '', ...flags] = compiler.split(' ');
  const args = [...flags, '-std=c++20', '-fsyntax-only', '-x', 'c++', '-'];
  const probe = spawnSync(command, args, { input: PROBE, encoding: 'utf8' });
  if (probe.status === 0) return undefined;
  const lines = probe.error ? [probe.error.message] : probe.stderr.split('\n');
  return `${compiler} says: ${lines.find((line) => line.includes('error')) ?? lines[0]}`;
}

function cmakeComplaint() {
  const version = /version (\d+\.\d+)/.exec(output('cmake', ['--version']) ?? '')?.[1];
  if (version === undefined) return 'cmake was not found';
  return isAtLeast(version, OLDEST_CMAKE) ? undefined : `this is ${version}`;
}

/** @param {string[]} names of programs, one of which is enough */
const noneOf = (names) => (names.some((name) => output(name, ['--version'])) ? undefined : 'not found');

/** What building the addon needs: only when it has to be built. Names everything missing at once. */
export function checkBuildTools() {
  const needed = /** @type {[what: string, aptPackage: string, complaint: string | undefined][]} */ ([
    ['a C++ compiler with C++20 (g++ 12 or clang 14, or newer)', 'g++', compilerComplaint()],
    [`CMake ${OLDEST_CMAKE.join('.')} or newer`, 'cmake', cmakeComplaint()],
    ['make or ninja', 'make', noneOf(['ninja', 'make'])],
    ['objdump', 'binutils', noneOf([OBJDUMP])],
  ]);
  const missing = needed.filter(([, , complaint]) => complaint !== undefined);
  if (missing.length === 0) return;
  const packages = missing.map(([, name]) => name).join(' ');
  throw new SetupError(
    [
      'to build the native engine, this machine lacks:',
      ...missing.map(([what, , complaint]) => `  - ${what}: ${complaint}`),
    ].join('\n'),
    [
      'Get it with one of:',
      `  sudo apt-get install ${packages}`,
      `  sudo dnf install ${packages.replace('g++', 'gcc-c++')}`,
      '  conda install -c conda-forge cxx-compiler cmake make',
    ].join('\n'),
  );
}
