import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output } from './run.mjs';
import { SetupError } from './say.mjs';

/** What rank_distillm.node asks of a machine, and what rank_distillm_torch.node does: files beside them. */
export const REQUIREMENTS = 'requirements.json';
export const TORCH_REQUIREMENTS = 'requirements-torch.json';

/** x86-64-v2, as /proc/cpuinfo spells it: oneDNN and MKL inside LibTorch give up on less. */
const LIBTORCH_CPU_FLAGS = ['cx16', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3'];

const V3 = ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe'];
/** Compiler options that let the compiler use an instruction set anywhere, and what /proc/cpuinfo calls it. */
const OPTION_FLAGS = /** @type {Record<string, string[]>} */ ({
  '-march=x86-64-v3': V3,
  '-march=x86-64-v4': [...V3, 'avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
  '-mavx': ['avx'],
  '-mavx2': ['avx', 'avx2'],
  '-mfma': ['fma'],
  '-mf16c': ['f16c'],
  '-mavx512f': ['avx512f'],
});

/** conda's compilers name theirs. */
export const OBJDUMP = process.env['OBJDUMP'] || 'objdump';

/**
 * What a shared library or program asks of the system, as binutils' objdump reads it.
 * @param {string} file
 * @returns {{ needed: string[], versions: string[] }} names of libraries, and symbol versions such as GLIBC_2.28
 */
export function readElf(file) {
  const text = output(OBJDUMP, ['-p', file]);
  if (text === undefined) throw new SetupError(`${file}: ${OBJDUMP} cannot read it`);
  const all = (/** @type {RegExp} */ pattern) => [...text.matchAll(pattern)].map(([, name = '']) => name);
  return {
    needed: all(/^ +NEEDED +(\S+)$/gm),
    versions: all(/^ +0x[0-9a-f]+ 0x[0-9a-f]+ \d+ (\S+)$/gm), // references; definitions have their number first
  };
}

/** @param {string} a @param {string} b */
export const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true });

/**
 * The newest version of a family among symbol versions: `newest(['GLIBC_2.4', 'GLIBC_2.28'], 'GLIBC')` is `2.28`.
 * @param {string[]} versions
 * @param {string} family
 */
export function newest(versions, family) {
  const found = versions.flatMap((each) => new RegExp(`^${family}_(\\d.*)`).exec(each)?.[1] ?? []);
  return found.sort(byVersion).at(-1) ?? '0';
}

/**
 * Flags that every source file is compiled with. A file with more than that holds kernels which the code chooses at
 * run time, so it asks for nothing.
 * @param {string} compileCommands
 */
export function cpuFlagsOf(compileCommands) {
  const files = /** @type {{ command: string }[]} */ (JSON.parse(readFileSync(compileCommands, 'utf8')));
  const flags = files.map(({ command }) => new Set(command.split(' ').flatMap((option) => OPTION_FLAGS[option] ?? [])));
  return [...(flags[0] ?? [])].filter((flag) => flags.every((each) => each.has(flag)));
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
 * Writes what a machine must have, so that the loader can tell before it loads an addon.
 * @param {string} file
 * @param {string[]} binaries the addon and its libraries
 * @param {string} compileCommands
 * @param {string} [libtorch] the release that they were built against
 * @param {string} [arch] as Node.js calls it
 */
export function writeRequirements(file, binaries, compileCommands, libtorch, arch = process.arch) {
  const versions = binaries.flatMap((binary) => readElf(binary).versions);
  const flags = [...(libtorch ? LIBTORCH_CPU_FLAGS : []), ...cpuFlagsOf(compileCommands)];
  const requirements = {
    platform: process.platform,
    arch,
    glibc: newest(versions, 'GLIBC'),
    cpuFlags: [...new Set(flags)].sort(),
    ...(libtorch && { libstdcxx: newest(versions, 'GLIBCXX'), libtorch }),
  };
  writeFileSync(file, `${JSON.stringify(requirements, null, 2)}\n`);
}

/**
 * What this machine lacks to run an addon of a folder, by the same rules as src/io/load-binding.ts, which is not
 * compiled yet. Undefined when its requirements say nothing of use.
 * @param {string} folder
 * @param {string} requirements name of the file
 * @returns {string[] | undefined}
 */
export function unmetNeeds(folder, requirements) {
  try {
    const needs = /** @type {{ platform: string, arch: string, glibc: string, cpuFlags: string[] }} */ (
      JSON.parse(readFileSync(join(folder, requirements), 'utf8'))
    );
    const unmet = [];
    if (needs.platform !== process.platform || needs.arch !== process.arch) {
      unmet.push(`it is for ${needs.platform} ${needs.arch}`);
    }
    const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
    const glibc = header.glibcVersionRuntime;
    if (glibc === undefined || byVersion(glibc, needs.glibc) < 0) {
      unmet.push(`it needs glibc ${needs.glibc}, this system has ${glibc ?? 'another C library'}`);
    }
    const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/);
    const missing = flags ? needs.cpuFlags.filter((flag) => !flags.includes(flag)) : [];
    if (missing.length > 0) unmet.push(`the CPU lacks ${missing.join(', ')}`);
    return unmet;
  } catch {
    return undefined;
  }
}
