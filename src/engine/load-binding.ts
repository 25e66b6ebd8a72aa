import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Binding } from '../../binding.js';
import { RankDistillmError } from '../errors.js';

/** Requirements of a binary, written beside it by the build. */
interface Requirements {
  platform: string;
  arch: string;
  /** Newest GLIBC symbol version of the addon and its libraries. */
  glibc: string;
  /** Newest GLIBCXX symbol version, for messages only. */
  libstdcxx: string;
  /** Flags of /proc/cpuinfo that the binary uses without a run-time check. */
  cpuFlags: string[];
  libtorch: string;
}

interface NodeGypBuild {
  resolve(folder: string): string;
}

const require = createRequire(import.meta.url);
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

const BUILD_HINT =
  'In a checkout run `npm run setup`; an installed package holds binaries for Linux x64 only, reinstall it there.';

let loaded: Binding | undefined;

/**
 * Loads the native engine once. It first compares the binary's requirements (glibc, CPU flags) with the machine, since
 * an incompatible binary would crash the process instead of throwing.
 *
 * It uses the first of: the file in `RANK_DISTILLM_BINDING`, the checkout's build/Release, the package's
 * prebuilds/linux-x64 (as found by node-gyp-build).
 *
 * @throws RankDistillmError `native`
 */
export function loadBinding(): Binding {
  loaded ??= load(findBinary());
  return loaded;
}

function findBinary(): string {
  const named = process.env['RANK_DISTILLM_BINDING'];
  if (named !== undefined && named !== '') {
    if (existsSync(named) && statSync(named).isFile()) return resolve(named);
    throw failure(`RANK_DISTILLM_BINDING=${named}: no such file`, 'Set it to a .node file, or unset it.');
  }
  try {
    return (require('node-gyp-build') as NodeGypBuild).resolve(packageRoot);
  } catch (cause) {
    throw failure(
      `no native engine for ${process.platform} ${process.arch}; looked in ${join(packageRoot, 'build', 'Release')} and ` +
        join(packageRoot, 'prebuilds', `${process.platform}-${process.arch}`),
      BUILD_HINT,
      cause,
    );
  }
}

function load(binary: string): Binding {
  const needs = readNeeds(join(dirname(binary), 'requirements.json'));
  const unmet = needs === undefined ? [] : unmetNeeds(needs);
  if (unmet.length > 0) {
    throw failure(
      `${binary} cannot run on this machine: ${unmet.join('; ')}`,
      'Use a newer Linux or CPU, or build from a checkout on this machine: npm run setup.',
    );
  }
  try {
    return withShortSpins(() => require(binary) as Binding);
  } catch (cause) {
    const { message, hint } = cause as Error & { hint?: string };
    throw failure(`${binary}${builtFor(needs)} could not be loaded: ${message}`, hint ?? hintFor(message), cause);
  }
}

/**
 * Shortens the spin time of OpenMP's threads. By default they spin for milliseconds at the end of each op, and keep the
 * thread they wait for off its core when other work shares the cores: two parallel trainings took 2.6 times as long as
 * with spins of about 50 µs. Short spins do not slow down an idle machine (tiny model, 2 cores: 90 → 232 pairs/s beside
 * other work, 482 → 535 alone). libgomp reads the variable when it is loaded. The user's settings take precedence.
 */
function withShortSpins<T>(load: () => T): T {
  if (process.env['GOMP_SPINCOUNT'] !== undefined || process.env['OMP_WAIT_POLICY'] !== undefined) return load();
  process.env['GOMP_SPINCOUNT'] = '20000';
  try {
    return load();
  } finally {
    delete process.env['GOMP_SPINCOUNT'];
  }
}

function hintFor(message: string): string {
  if (/cannot open shared object file/.test(message)) {
    return 'A library is missing beside the binary. Run `npm run setup` in a checkout, or reinstall the package.';
  }
  if (/static TLS/.test(message)) return 'Load rank-distillm before other native packages that use OpenMP.';
  return BUILD_HINT;
}

/** Undefined when the binary has no requirements file; it is then loaded without a check. */
function readNeeds(file: string): Requirements | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Requirements) : undefined;
}

function builtFor(needs: Requirements | undefined): string {
  if (needs === undefined) return '';
  return ` (LibTorch ${needs.libtorch}, GLIBC_${needs.glibc}, GLIBCXX_${needs.libstdcxx})`;
}

/** Unmet requirements, one phrase each. */
function unmetNeeds(needs: Requirements): string[] {
  if (needs.platform !== process.platform || needs.arch !== process.arch) {
    return [`it is for ${needs.platform} ${needs.arch}, this is ${process.platform} ${process.arch}`];
  }
  const unmet: string[] = [];
  const glibc = runningGlibc();
  if (glibc === undefined) {
    unmet.push(`it needs glibc ${needs.glibc}, and this system has another C library (musl?)`);
  } else if (glibc.localeCompare(needs.glibc, 'en', { numeric: true }) < 0) {
    unmet.push(`it needs glibc ${needs.glibc}, this system has ${glibc}`);
  }
  const flags = cpuFlags();
  const missing = flags.size === 0 ? [] : needs.cpuFlags.filter((flag) => !flags.has(flag));
  if (missing.length > 0) unmet.push(`the CPU lacks ${missing.join(', ')}`);
  return unmet;
}

function runningGlibc(): string | undefined {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

/** Empty without /proc/cpuinfo. */
function cpuFlags(): Set<string> {
  if (!existsSync('/proc/cpuinfo')) return new Set();
  const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  return new Set(line.trim().split(/\s+/));
}

function failure(message: string, hint: string, cause?: unknown): RankDistillmError {
  return new RankDistillmError('native', message, cause === undefined ? { hint } : { hint, cause });
}
