import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { download } from './download.mjs';
import { hashOfFile } from './hash.mjs';
import { makeOnce } from './once.mjs';
import { hasPip, pip } from './pip.mjs';
import { cacheFolder, root } from './root.mjs';
import { output, run } from './run.mjs';
import { say, SetupError } from './say.mjs';
import { checkBuildTools } from './tools.mjs';

/**
 * Release of LibTorch that the addon is written for, and its wheels.
 *
 * @type {{ version: string, cpu: [{ sha256: string }] }}
 */
const LIBTORCH = JSON.parse(readFileSync(join(root, 'src/fetch/libtorch.json'), 'utf8'));
export const LIBTORCH_VERSION = LIBTORCH.version;

/** Always the wheel of one Python version, whatever Python is here: only its C++ part is used, and one hash is enough. */
const WHEEL_SHA256 = LIBTORCH.cpu[0].sha256;
const WHEEL_TAGS = '--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_28_x86_64'.split(' ');
/** The official archive. PyTorch publishes no hash; this is the one that several projects pin independently. */
const ZIP_URL = `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`;
const ZIP_SHA256 = 'edbf4cbed78433d803e90a65f1752e57783d164bce66c95c0872b2ab8f5c159e';

/** What building and running need of each archive; the licence, because prebuilt packages carry LibTorch. */
const WHEEL_FILES = [
  ...['torch', 'torch_cpu', 'torch_global_deps', 'c10'].map((name) => `torch/lib/lib${name}.so`),
  ...['torch/lib/libgomp*', 'torch/include', 'torch/share', 'torch/version.py', 'torch-*.dist-info/licenses/LICENSE'],
];
const ZIP_FILES = ['libtorch/lib/*.so*', 'libtorch/include', 'libtorch/share', 'libtorch/build-version'];
/** The same of a wheel with CUDA, without the libraries of CUDA that running needs. */
const CUDA_COMPILE_FILES = [
  'torch/include',
  'torch/lib/*.so*',
  'torch/version.py',
  'torch-*.dist-info/METADATA',
  'torch-*.dist-info/licenses/LICENSE',
];
/** NCCL's packages are for other releases of glibc than torch's. */
const NCCL_PLATFORMS = ['manylinux_2_18_x86_64', 'manylinux2014_x86_64'].flatMap((tag) => ['--platform', tag]);

/** native/cuda is written for 2.11 to the minor version of LIBTORCH_VERSION; scripts/release/platforms.mjs has a release of each. */
const OLDEST_MINOR = 11;
const NEWEST_MINOR = Number(LIBTORCH_VERSION.split('.')[1]);

/**
 * A build of LibTorch.
 * @typedef {{ variables: string[], files: string[], version: string, isVersion: (version: string) => boolean, wanted: string, cached: () => string }} Kind
 */

/** @type {Kind} */
const CPU = {
  variables: ['RANK_DISTILLM_LIBTORCH', 'LIBTORCH'],
  files: ['lib/libtorch_cpu.so', 'lib/libc10.so', 'include/ATen/ATen.h', 'share/cmake/Torch/TorchConfig.cmake'],
  version: `${LIBTORCH_VERSION} for the CPU`,
  isVersion: (version) => [LIBTORCH_VERSION, `${LIBTORCH_VERSION}+cpu`].includes(version),
  wanted: `LibTorch ${LIBTORCH_VERSION} (CPU) or of the Python package torch ${LIBTORCH_VERSION}+cpu`,
  cached: () => join(cacheFolder(), `libtorch-${LIBTORCH_VERSION}-cpu`),
};

const CUDA_VERSIONS = `2.${OLDEST_MINOR} to 2.${NEWEST_MINOR}`;
/** @type {Kind} */
const CUDA = {
  variables: ['RANK_DISTILLM_LIBTORCH'],
  files: ['lib/libtorch_cuda.so', 'lib/libc10_cuda.so', 'include/ATen/ATen.h'],
  version: CUDA_VERSIONS,
  isVersion(version) {
    const minor = Number(/^2\.(\d+)\./.exec(version)?.[1]);
    return minor >= OLDEST_MINOR && minor <= NEWEST_MINOR;
  },
  wanted: `LibTorch ${CUDA_VERSIONS} with CUDA or of such a Python package torch`,
  cached: () => join(cacheFolder(), `torch-${LIBTORCH_VERSION}-cuda`, 'torch'),
};

/**
 * Tells whether a folder is a LibTorch that we build against.
 * @param {string} folder of LibTorch or of the Python package torch
 * @param {Kind} [kind]
 * @returns {string | undefined} what is wrong with it
 */
export function whatIsWrong(folder, kind = CPU) {
  const missing = kind.files.find((file) => !existsSync(join(folder, file)));
  if (missing) return `it has no ${missing}`;
  // The archive states its version in `build-version`, the Python package in `version.py`.
  const versionFile = ['build-version', 'version.py'].map((name) => join(folder, name)).find(existsSync);
  if (!versionFile) return 'it does not state its version (build-version or version.py)';
  const text = readFileSync(versionFile, 'utf8');
  const version = /__version__ = '([^']+)'/.exec(text)?.[1] ?? text.trim();
  if (!kind.isVersion(version)) return `its version is ${version}, needed is ${kind.version}`;
  if (kind === CPU && existsSync(join(folder, CUDA.files[0] ?? ''))) {
    return 'it is built for CUDA, needed is the CPU build';
  }
  return undefined;
}

/** The folder that the environment names. A wrong one is an error: silently taking another would hide it. @param {Kind} kind */
function fromEnvironment(kind) {
  const name = kind.variables.find((variable) => process.env[variable]);
  if (name === undefined) return undefined;
  const folder = resolve(process.env[name] ?? '');
  const wrong = whatIsWrong(folder, kind);
  if (!wrong) return folder;
  throw new SetupError(
    `${name}=${process.env[name]} is not usable: ${wrong}`,
    `Let it name a folder of ${kind.wanted}, or unset it.`,
  );
}

/** The folder of an installed Python torch that we build against; torch itself is not imported. @param {Kind} kind */
function fromPython(kind) {
  const ask =
    'import importlib.util as u; s = u.find_spec("torch"); print(list(s.submodule_search_locations)[0] if s else "")';
  const folder = output('python3', ['-c', ask])?.trim();
  return folder && !whatIsWrong(folder, kind) ? folder : undefined;
}

/** Unpacks some files of an archive into its folder. @param {string} archive @param {string[]} files @param {string} work */
async function unpack(archive, files, work) {
  say('unpacking LibTorch');
  const args = ['-E', 'tar', 'xf', archive, '--', ...files];
  await run('cmake', args, { what: `unpacking ${archive}`, cwd: work, quiet: true });
}

/** Lets pip fetch a wheel: it knows mirrors and local folders that we do not. @param {string} requirement @param {string} work */
async function downloadWheel(requirement, work, /** @type {string[]} */ more = []) {
  const args = ['download', '--no-deps', '--only-binary=:all:', ...WHEEL_TAGS, ...more, '--dest', work, requirement];
  await pip(args, { what: `pip download ${requirement}` });
  return join(work, readdirSync(work).find((file) => file.endsWith('.whl')) ?? '');
}

/** The official wheel, where pip has it. @param {string} work @returns {Promise<string | undefined>} */
async function cpuWheel(work) {
  if (!hasPip()) return undefined;
  say(`asking pip for torch==${LIBTORCH_VERSION}+cpu (190 MB)`);
  try {
    const wheel = await downloadWheel(`torch==${LIBTORCH_VERSION}+cpu`, work);
    const found = await hashOfFile(wheel);
    if (found === WHEEL_SHA256) return wheel;
    say(`${wheel} is not the official file (SHA-256 ${found}, expected ${WHEEL_SHA256}); not used`);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say('pip does not offer it');
  }
  return undefined;
}

/** Fetches LibTorch for the CPU. @param {string} work @returns the folder of it below `work` */
async function fetchCpu(work) {
  if (process.arch !== 'x64') throw new SetupError(`LibTorch is fetched for x64 only, this is ${process.arch}`);
  const wheel = await cpuWheel(work);
  if (wheel) {
    await unpack(wheel, WHEEL_FILES, work);
    const info = readdirSync(work).find((name) => name.endsWith('.dist-info')) ?? '';
    renameSync(join(work, info, 'licenses/LICENSE'), join(work, 'torch/LICENSE'));
    return join(work, 'torch');
  }
  const zip = join(cacheFolder(), `libtorch-${LIBTORCH_VERSION}-cpu.zip`);
  say(`fetching ${ZIP_URL}`);
  if (!existsSync(zip)) await download(ZIP_URL, zip, { sha256: ZIP_SHA256, label: 'LibTorch' });
  await unpack(zip, ZIP_FILES, work);
  rmSync(zip);
  return join(work, 'libtorch');
}

/** Installs LibTorch with CUDA's libraries. @param {string} work */
async function installCuda(work) {
  say(`installing torch ${LIBTORCH_VERSION} with CUDA's libraries into the cache (5 GB)`);
  // Three equals signs: the wheel without a local version, which is the one for CUDA.
  const args = ['install', '--only-binary=:all:', ...WHEEL_TAGS, '--target', work, `torch===${LIBTORCH_VERSION}`];
  await pip([...args, '--quiet'], { what: 'pip install torch for CUDA' });
}

/** The folder in which a wheel for compiling lies once it was fetched. @param {string} version */
export function compileCache(version) {
  return join(cacheFolder(), `torch-${version}-cuda-compile`);
}

/** Puts NCCL's header beside LibTorch, of the release that it was built with. @param {string} work */
async function unpackNccl(work) {
  const info = readdirSync(work).find((name) => name.endsWith('.dist-info')) ?? '';
  const found = /^Requires-Dist: (nvidia-nccl-\w+) ?\(?== ?([\w.]+)/m.exec(
    readFileSync(join(work, info, 'METADATA'), 'utf8'),
  );
  if (!found) return;
  const wheel = await downloadWheel(`${found[1]}==${found[2]}`, work, NCCL_PLATFORMS);
  await unpack(wheel, ['nvidia/nccl/include'], work);
  rmSync(wheel);
}

/**
 * A LibTorch with CUDA to compile and link against, without the libraries of CUDA that running needs.
 * @param {string} version of torch on the package index
 */
export async function cudaLibtorchToCompile(version) {
  const folder = await makeOnce(compileCache(version), async (work) => {
    say(`fetching torch ${version} for CUDA (500 MB)`);
    const wheel = await downloadWheel(`torch===${version}`, work);
    await unpack(wheel, CUDA_COMPILE_FILES, work);
    rmSync(wheel);
    await unpackNccl(work);
  });
  return join(folder, 'torch');
}

/**
 * The folder of LibTorch (with lib, include and share): named by the environment, in our cache, in an installed Python
 * torch of this release. Undefined when it has to be fetched.
 * @param {string | undefined} usedBefore where the last build found it; saves asking Python at every call
 */
export function presentLibtorch(usedBefore, cuda = false) {
  const kind = cuda ? CUDA : CPU;
  const places = [kind.cached(), usedBefore];
  return (
    fromEnvironment(kind) ??
    places.find((folder) => folder !== undefined && !whatIsWrong(folder, kind)) ??
    fromPython(kind)
  );
}

/** The same, else fetched into the cache. @param {string | undefined} usedBefore */
export async function findLibtorch(usedBefore, cuda = false) {
  const present = presentLibtorch(usedBefore, cuda);
  if (present) return present;
  checkBuildTools(); // nobody should wait for a download only to hear that there is no compiler
  const kind = cuda ? CUDA : CPU;
  try {
    if (cuda) await makeOnce(dirname(kind.cached()), installCuda);
    else await makeOnce(kind.cached(), fetchCpu, (folder) => !whatIsWrong(folder));
    const wrong = whatIsWrong(kind.cached(), kind);
    if (wrong) throw new SetupError(`${kind.cached()}: fetched, but ${wrong}`, 'Remove it and run the command again.');
    return kind.cached();
  } catch (error) {
    if (error instanceof SetupError)
      error.hint = `${error.hint ?? ''}\nOr let RANK_DISTILLM_LIBTORCH name a folder of ${kind.wanted}.`.trim();
    throw error;
  }
}
