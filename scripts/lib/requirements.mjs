import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newest, readElf } from './elf.mjs';
import { LIBTORCH_VERSION } from './root.mjs';

/** x86-64-v2, as /proc/cpuinfo spells it: oneDNN and MKL inside LibTorch give up on less. */
const LIBTORCH_CPU_FLAGS = ['cx16', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3'];

/** Compiler options that let the compiler use an instruction set anywhere, and what /proc/cpuinfo calls it. */
const OPTION_FLAGS = /** @type {Record<string, string[]>} */ ({
  '-march=x86-64-v3': ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe'],
  '-march=x86-64-v4': [
    'avx',
    'avx2',
    'bmi1',
    'bmi2',
    'f16c',
    'fma',
    'movbe',
    'avx512f',
    'avx512bw',
    'avx512cd',
    'avx512dq',
    'avx512vl',
  ],
  '-mavx': ['avx'],
  '-mavx2': ['avx', 'avx2'],
  '-mfma': ['fma'],
  '-mf16c': ['f16c'],
  '-mavx512f': ['avx512f'],
});

/**
 * Flags that every source file is compiled with. A file with more than that holds kernels which the code chooses at
 * run time, so it asks for nothing.
 * @param {string} compileCommands
 */
export function cpuFlagsOf(compileCommands) {
  const files = /** @type {{ command: string }[]} */ (JSON.parse(readFileSync(compileCommands, 'utf8')));
  const flags = files.map(({ command }) => new Set(command.split(' ').flatMap((option) => OPTION_FLAGS[option] ?? [])));
  const common = [...(flags[0] ?? [])].filter((flag) => flags.every((each) => each.has(flag)));
  return [...new Set([...LIBTORCH_CPU_FLAGS, ...common])].sort();
}

/**
 * The addon and those libraries of LibTorch that it needs, directly or through each other.
 * @param {string} addon
 * @param {string} libtorch
 * @returns {string[]} names of files in LibTorch's lib folder
 */
export function libraryClosure(addon, libtorch) {
  const found = new Set(/** @type {string[]} */ ([]));
  const queue = [addon];
  for (let file = queue.pop(); file; file = queue.pop()) {
    for (const name of readElf(file).needed) {
      const path = join(libtorch, 'lib', name);
      if (found.has(name) || !existsSync(path)) continue;
      found.add(name);
      queue.push(path);
    }
  }
  return [...found].sort();
}

/**
 * Writes requirements.json: what a machine must have, so that the loader can tell before it loads.
 * @param {string} folder where the addon lies
 * @param {string[]} files the addon and its libraries
 * @param {string} compileCommands
 */
export function writeRequirements(folder, files, compileCommands) {
  const versions = files.flatMap((file) => readElf(file).versions);
  const requirements = {
    platform: process.platform,
    arch: process.arch,
    glibc: newest(versions, 'GLIBC'),
    libstdcxx: newest(versions, 'GLIBCXX'),
    cpuFlags: cpuFlagsOf(compileCommands),
    libtorch: LIBTORCH_VERSION,
  };
  writeFileSync(join(folder, 'requirements.json'), `${JSON.stringify(requirements, null, 2)}\n`);
}
