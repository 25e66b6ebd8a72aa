import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Binding, DeviceBinding, TorchBinding } from '../../binding.js';
import { docsPage, RankDistillmError } from '../errors.js';
import { GPU_PACKAGE, gpuPackageFolder, platformFile, platformPackage, runningGlibc } from './platform-package.js';
import { findLibtorch, type FoundLibtorch } from './find-libtorch.js';

/** Requirements of a binary, written beside it by the build. */
const requirements = z.object({
  platform: z.string(),
  arch: z.string(),
  /** Newest GLIBC symbol version of the addon and its libraries; not of binaries for musl. */
  glibc: z.string().optional(),
  /** The C library, as package.json names it. */
  libc: z.enum(['glibc', 'musl']).default('glibc'),
  /** Flags of /proc/cpuinfo that the binary uses without a run-time check. */
  cpuFlags: z.array(z.string()),
  /** Of binaries that use LibTorch, for messages only, as the newest GLIBCXX symbol version. */
  libtorch: z.string().optional(),
  libstdcxx: z.string().optional(),
});
type Requirements = z.infer<typeof requirements>;

interface NodeGypBuild {
  resolve(folder: string): string;
}

const require = createRequire(import.meta.url);
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

/** The engine on the CPU, and on LibTorch's devices. */
const ADDON = 'rank_distillm.node';
const TORCH_ADDON = 'rank_distillm_torch.node';
const TORCH_NEEDS = 'requirements-torch.json';

const isCheckout = existsSync(join(packageRoot, 'scripts/setup.mjs'));

/** How to get an engine for the CPU. */
const BUILD_HINT = isCheckout
  ? 'Run `npm run setup` to build it.'
  : `Install it (npm install --include=optional ${platformPackage()}), or build it: npm rebuild rank-distillm --build-from-source.`;
export const TORCH_HINT =
  (isCheckout
    ? `RANK_DISTILLM_CUDA=1 npm run setup builds it, and finds or fetches LibTorch (${docsPage('cuda')}); `
    : `Install it (npm install ${GPU_PACKAGE}), and LibTorch for it (${docsPage('cuda')}); `) +
  'or compute on the CPU (device: cpu).';

/** At the end of every hint of an engine that does not load. */
export const SEE_DOCTOR = '`npx rank-distillm doctor` shows what was found.';

let loaded: Binding | undefined;
let loadedTorch: TorchBinding | undefined;

/**
 * Loads the engine for the CPU once. It first compares the binary's requirements (glibc, CPU flags) with the machine,
 * since an incompatible binary would crash the process instead of throwing.
 *
 * It uses the first of: the file in `RANK_DISTILLM_BINDING`; what node-gyp-build finds, which is build/Release and
 * prebuilds/ of this package; the platform's package, for example `@rank-distillm/linux-x64-gnu`.
 *
 * @throws RankDistillmError `native`
 */
export function loadBinding(): Binding {
  loaded ??= load<Binding>(findBinary().file, 'requirements.json', BUILD_HINT);
  return loaded;
}

/**
 * Loads the engine for LibTorch's devices once, with LibTorch.
 *
 * @throws RankDistillmError `native`
 */
export function loadTorchBinding(): TorchBinding {
  if (loadedTorch) return loadedTorch;
  const found = findTorchEngine();
  if (found === undefined) {
    throw failure(
      `the engine for GPUs is not installed: there is no ${fileBeside()}, and no package ${GPU_PACKAGE}`,
      TORCH_HINT,
    );
  }
  loadedTorch = withShortSpins(() => {
    checkNeeds(found.file, TORCH_NEEDS);
    if (found.libtorch) openLibtorch(found.libtorch);
    return load<TorchBinding>(found.file, TORCH_NEEDS, TORCH_HINT);
  });
  return loadedTorch;
}

/** The engine for LibTorch's devices. */
export interface FoundTorchEngine {
  file: string;
  /** The release of LibTorch that it was built for. */
  builtFor: string | undefined;
  /** What has to be opened before it; undefined where the engine finds it itself. */
  libtorch: FoundLibtorch | undefined;
}

/**
 * The engine for LibTorch's devices, without loading it: beside that for the CPU, as a checkout builds it, or the one in
 * the package for GPUs that fits an installed LibTorch. Undefined where there is neither.
 *
 * @throws RankDistillmError `native` where the package is there, but no LibTorch that fits
 */
export function findTorchEngine(): FoundTorchEngine | undefined {
  const beside = fileBeside();
  const builtFor = (file: string): string | undefined => readNeeds(join(dirname(file), TORCH_NEEDS))?.libtorch;
  if (existsSync(beside)) return { file: beside, builtFor: builtFor(beside), libtorch: undefined };
  const folder = gpuPackageFolder();
  if (folder === undefined) return undefined;
  // one for each minor version of LibTorch: PyTorch keeps its C++ interface no longer
  const minors = readdirSync(folder).filter((name) => existsSync(join(folder, name, TORCH_ADDON)));
  const libtorch = findLibtorch(minors.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })));
  const file = join(folder, libtorch.minor, TORCH_ADDON);
  return { file, builtFor: builtFor(file), libtorch };
}

function openLibtorch({ folder, version }: FoundLibtorch): void {
  try {
    loadBinding().openLibrary(join(folder, 'lib/libtorch_cuda.so'));
  } catch (cause) {
    throw failure(
      `LibTorch ${version} in ${folder} could not be loaded: ${(cause as Error).message}`,
      'It needs the libraries of CUDA beside it: npx rank-distillm install-libtorch --cuda installs both.',
      cause,
    );
  }
}

/** The engine that computes on a device of `listDevices`. */
export function bindingOf(device: string): DeviceBinding {
  return device === 'cpu' ? loadBinding() : loadTorchBinding();
}

/** Devices that a model can be asked for. LibTorch is loaded for a GPU only: where one is asked for or may be there. */
export function listDevices(asked: string): readonly string[] {
  const mayHaveGpu = asked.startsWith('cuda') || (hasNvidiaDriver() && hasTorchEngine());
  return (mayHaveGpu ? loadTorchBinding() : loadBinding()).info().devices;
}

function hasTorchEngine(): boolean {
  return existsSync(fileBeside()) || gpuPackageFolder() !== undefined;
}

/** Where a checkout builds the engine for LibTorch's devices. */
function fileBeside(): string {
  return join(dirname(findBinary().file), TORCH_ADDON);
}

/** Or an emulated GPU, which tests use. */
function hasNvidiaDriver(): boolean {
  const signs = ['/dev/nvidiactl', '/proc/driver/nvidia/version', '/dev/dxg'];
  return Boolean(process.env['RANK_DISTILLM_EMULATE_CUDA']) || signs.some((file) => existsSync(file));
}

/** The file of the engine for the CPU, and why it is this one. */
export interface FoundBinary {
  file: string;
  why: string;
}

/** @throws RankDistillmError `native` where there is none */
export function findBinary(): FoundBinary {
  const named = process.env['RANK_DISTILLM_BINDING'];
  if (named !== undefined && named !== '') {
    if (existsSync(named) && statSync(named).isFile()) {
      return { file: resolve(named), why: 'RANK_DISTILLM_BINDING names it' };
    }
    throw failure(`RANK_DISTILLM_BINDING=${named}: no such file`, 'Set it to a .node file, or unset it.');
  }
  let cause: unknown;
  // In a bundle of somebody else's program, the folder is theirs, and a binary in it is not ours.
  if (isOurs(packageRoot)) {
    try {
      const file = (require('node-gyp-build') as NodeGypBuild).resolve(packageRoot);
      const isBuilt = file.startsWith(join(packageRoot, 'build'));
      const why = isBuilt ? 'built in this folder, which comes before prebuilds' : 'this folder holds it in prebuilds';
      return { file, why };
    } catch (error) {
      cause = error;
    }
  }
  const file = platformFile(ADDON);
  if (file !== undefined) return { file, why: `${platformPackage()} holds it for this platform` };
  throw failure(
    `no native engine for ${process.platform} ${process.arch}; looked in ${join(packageRoot, 'build', 'Release')} and ` +
      `${join(packageRoot, 'prebuilds', `${process.platform}-${process.arch}`)}, and for the package ${platformPackage()}`,
    BUILD_HINT,
    cause,
  );
}

function isOurs(folder: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return name === 'rank-distillm';
  } catch {
    return false;
  }
}

/**
 * Compares a binary's requirements with the machine.
 *
 * @throws RankDistillmError `native`
 */
export function checkNeeds(binary: string, needsName = 'requirements.json'): Requirements | undefined {
  const needs = readNeeds(join(dirname(binary), needsName));
  const unmet = needs === undefined ? [] : unmetNeeds(needs);
  if (unmet.length === 0) return needs;
  throw failure(
    `${binary} cannot run on this machine: ${unmet.join('; ')}`,
    `Use a newer Linux or CPU, or build it on this machine: npm ${isCheckout ? 'run setup' : 'rebuild rank-distillm --build-from-source'}.`,
  );
}

function load<T extends DeviceBinding>(binary: string, needsName: string, hint: string): T {
  const needs = checkNeeds(binary, needsName);
  let addon: Partial<T>;
  try {
    addon = require(binary) as Partial<T>;
  } catch (cause) {
    const { message, hint: known } = cause as Error & { hint?: string };
    const problem = `${binary}${builtFor(needs)} could not be loaded: ${message}`;
    throw failure(problem, known ?? hintFor(message, dirname(binary)) ?? hint, cause);
  }
  if (typeof addon.createModel === 'function') return addon as T;
  throw failure(`${binary} is an addon for Node.js, but not the engine of this package`, hint);
}

/**
 * Shortens the spin time of OpenMP's threads in LibTorch. By default they spin for milliseconds at the end of each op, and
 * keep the thread they wait for off its core when other work shares the cores. libgomp reads the variable when it is
 * loaded. The user's settings take precedence.
 */
function withShortSpins<T>(work: () => T): T {
  if (process.env['GOMP_SPINCOUNT'] !== undefined || process.env['OMP_WAIT_POLICY'] !== undefined) return work();
  process.env['GOMP_SPINCOUNT'] = '20000';
  try {
    return work();
  } finally {
    delete process.env['GOMP_SPINCOUNT'];
  }
}

function hintFor(message: string, folder: string): string | undefined {
  if (/cannot open shared object file/.test(message)) {
    return `LibTorch was looked for in ${folder} and where the engine was built against it. ${TORCH_HINT}`;
  }
  if (/static TLS/.test(message)) return 'Load rank-distillm before other native packages that use OpenMP.';
  return undefined;
}

/** Undefined when the binary has no requirements file; it is then loaded without a check. */
function readNeeds(file: string): Requirements | undefined {
  if (!existsSync(file)) return undefined;
  const problem = `${file} does not say what the engine needs`;
  const hint = 'Reinstall the package; in a checkout run `npm run setup`.';
  try {
    const { success, data } = requirements.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    if (success) return data;
  } catch (cause) {
    throw failure(problem, hint, cause);
  }
  throw failure(problem, hint);
}

function builtFor(needs: Requirements | undefined): string {
  if (needs === undefined) return '';
  const torch = needs.libtorch === undefined ? '' : `LibTorch ${needs.libtorch}, GLIBCXX_${needs.libstdcxx}, `;
  return ` (${torch}${needs.glibc === undefined ? needs.libc : `GLIBC_${needs.glibc}`})`;
}

/** Unmet requirements, one phrase each. */
function unmetNeeds(needs: Requirements): string[] {
  if (needs.platform !== process.platform || needs.arch !== process.arch) {
    return [`it is for ${needs.platform} ${needs.arch}, this is ${process.platform} ${process.arch}`];
  }
  const unmet: string[] = [];
  const glibc = runningGlibc();
  if (needs.libc === 'musl') {
    if (glibc !== undefined) unmet.push(`it needs musl, this system has glibc ${glibc}`);
  } else if (glibc === undefined) {
    unmet.push(`it needs glibc ${needs.glibc ?? ''}, and this system has another C library (musl?)`);
  } else if (needs.glibc !== undefined && glibc.localeCompare(needs.glibc, 'en', { numeric: true }) < 0) {
    unmet.push(`it needs glibc ${needs.glibc}, this system has ${glibc}`);
  }
  const flags = cpuFlags();
  const missing = flags.size === 0 ? [] : needs.cpuFlags.filter((flag) => !flags.has(flag));
  if (missing.length > 0) unmet.push(`the CPU lacks ${missing.join(', ')}`);
  return unmet;
}

/** Empty without /proc/cpuinfo. */
function cpuFlags(): Set<string> {
  if (!existsSync('/proc/cpuinfo')) return new Set();
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  return new Set(line.trim().split(/\s+/));
}

function failure(message: string, fix: string, cause?: unknown): RankDistillmError {
  const hint = `${fix} ${SEE_DOCTOR}`;
  return new RankDistillmError('native', message, cause === undefined ? { hint } : { hint, cause });
}
