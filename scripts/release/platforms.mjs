// The platforms that a release has an engine for: each is a package of its own, an optional dependency of rank-distillm, and
// npm installs the one whose `os`, `cpu` and `libc` fit. src/io/load-binding.ts makes the same names.

/**
 * @typedef {object} Platform
 * @property {string} name of the package is `@rank-distillm/<name>`
 * @property {'x64' | 'arm64'} cpu as npm and Node.js name it
 * @property {'glibc' | 'musl'} libc as npm names it
 * @property {string} target for zig; with the oldest glibc that it has to run on
 * @property {string} mcpu the CPU that everything but the kernels is compiled for, as zig names it
 * @property {{ program: string, option: string, apt: string }} [kernels] the g++ that compiles the kernels, the same CPU
 *   for it, and the package of Debian that has it; without it zig compiles them as well
 * @property {string[]} cpuFlags what that asks of /proc/cpuinfo
 */

/**
 * The newest symbol versions that a release may ask for, by their names in a binary. Red Hat 8, Debian 10 and Ubuntu 20.04
 * have them or newer ones. Node.js itself asks for this glibc from version 18 on; the other two are libstdc++'s.
 */
export const OLDEST_VERSIONS = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' };

const X64_GNU = `x86_64-linux-gnu.${OLDEST_VERSIONS.GLIBC}`;

/** x86-64-v2: every x86-64 CPU since about 2009. */
const V2 = ['cx16', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3'];

const X64_GCC = { program: 'x86_64-linux-gnu-g++', option: '-march=x86-64-v2', apt: 'g++' };

/** @type {Platform[]} */
export const PLATFORMS = [
  {
    name: 'linux-x64-gnu',
    cpu: 'x64',
    libc: 'glibc',
    target: X64_GNU,
    mcpu: 'x86_64_v2',
    kernels: X64_GCC,
    cpuFlags: V2,
  },
  {
    name: 'linux-x64-musl',
    cpu: 'x64',
    libc: 'musl',
    target: 'x86_64-linux-musl',
    mcpu: 'x86_64_v2',
    kernels: X64_GCC,
    cpuFlags: V2,
  },
  {
    name: 'linux-arm64-gnu',
    cpu: 'arm64',
    libc: 'glibc',
    target: `aarch64-linux-gnu.${OLDEST_VERSIONS.GLIBC}`,
    mcpu: 'generic',
    cpuFlags: [],
  },
];

/**
 * For NVIDIA GPUs: the engine for LibTorch's devices, compiled against one release of each minor version of LibTorch, since
 * PyTorch keeps its C++ interface no longer. Whoever has a GPU installs it.
 */
export const GPU = /** @type {const} */ ({
  name: 'linux-x64-cuda',
  cpu: 'x64',
  libc: 'glibc',
  target: X64_GNU,
  /** What it needs beyond the C library. */
  libraries: /^lib(torch(_cpu|_cuda)?|c10(_cuda)?|cudart|stdc\+\+|gcc_s)\.so/,
  torch: ['2.11.0', '2.12.1', '2.13.0'],
});

/** @param {Pick<Platform, 'name'>} platform */
export const packageName = ({ name }) => `@rank-distillm/${name}`;
