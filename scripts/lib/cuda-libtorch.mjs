import { existsSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { WHEEL_TAGS } from './libtorch.mjs';
import { withLock } from './lock.mjs';
import { findPip } from './pip.mjs';
import { cacheFolder, LIBTORCH_VERSION } from './root.mjs';
import { output, run } from './run.mjs';
import { say, SetupError } from './say.mjs';
import { inWorkFolder } from './work-folder.mjs';

/** What native/cuda is written for; 2.11 to the minor version of LIBTORCH_VERSION. */
const OLDEST_MINOR = 11;
const NEWEST_MINOR = Number(LIBTORCH_VERSION.split('.')[1]);
const VERSIONS = `2.${OLDEST_MINOR} to 2.${NEWEST_MINOR}`;

/** What compiling and linking need of the wheel. */
const COMPILED_AGAINST = ['torch/include', 'torch/lib/*.so*', 'torch/version.py'];

/**
 * Tells whether a folder is a LibTorch with CUDA that we build against.
 * @param {string} folder of LibTorch or of the Python package torch
 * @returns {string | undefined} what is wrong with it
 */
function whatIsWrong(folder) {
  const needed = ['lib/libtorch_cuda.so', 'lib/libc10_cuda.so', 'include/ATen/ATen.h'];
  const missing = needed.find((file) => !existsSync(join(folder, file)));
  if (missing) return `it has no ${missing}`;
  const versionFile = ['version.py', 'build-version'].map((name) => join(folder, name)).find(existsSync);
  const text = versionFile === undefined ? '' : readFileSync(versionFile, 'utf8');
  const [, minor = ''] = /(?:__version__ = '|^)2\.(\d+)\./m.exec(text) ?? [];
  if (minor !== '' && Number(minor) >= OLDEST_MINOR && Number(minor) <= NEWEST_MINOR) return undefined;
  return `its version is not ${VERSIONS}`;
}

function fromEnvironment() {
  const value = process.env['RANK_DISTILLM_LIBTORCH'];
  if (!value) return undefined;
  const wrong = whatIsWrong(resolve(value));
  if (!wrong) return resolve(value);
  throw new SetupError(
    `RANK_DISTILLM_LIBTORCH=${value} is not usable for CUDA: ${wrong}`,
    `Let it name a LibTorch ${VERSIONS} with CUDA or the folder of such a Python package torch, or unset it.`,
  );
}

function fromPython() {
  const ask =
    'import importlib.util as u; s = u.find_spec("torch"); print(list(s.submodule_search_locations)[0] if s else "")';
  const folder = output('python3', ['-c', ask])?.trim();
  return folder && !whatIsWrong(folder) ? folder : undefined;
}

/** @param {string[]} args @param {string} what */
async function pip(args, what) {
  const found = findPip();
  const hint = `Or install Python's torch ${VERSIONS} with CUDA, or let RANK_DISTILLM_LIBTORCH name a LibTorch with CUDA.`;
  if (!found) throw new SetupError(`${what}: pip was not found`, hint);
  const [command = '', ...first] = found;
  await run(command, [...first, ...args], { what, hint });
}

/**
 * Fills a folder of the cache: whole or absent.
 * @param {string} target
 * @param {(work: string) => Promise<void>} fill puts torch/ into the folder it is given
 */
async function fetchInto(target, fill) {
  if (existsSync(target)) return target;
  return await withLock(`${target}.lock`, async () => {
    if (existsSync(target)) return target;
    await inWorkFolder(target, async (work) => {
      await fill(work);
      renameSync(work, target);
    });
    return target;
  });
}

/** The folder in which a wheel for compiling lies once it was fetched. @param {string} version */
export function compileCache(version) {
  return join(cacheFolder(), `torch-${version}-cuda-compile`);
}

/**
 * A LibTorch with CUDA to compile and link against, without the libraries of CUDA that running needs.
 * @param {string} version of torch on the package index
 */
export async function cudaLibtorchToCompile(version) {
  const folder = await fetchInto(compileCache(version), async (work) => {
    say(`fetching torch ${version} for CUDA (500 MB)`);
    // Three equals signs: the wheel without a local version, which is the one for CUDA.
    const what = ['--no-deps', '--only-binary=:all:', ...WHEEL_TAGS, '--dest', work, `torch===${version}`];
    await pip(['download', '--disable-pip-version-check', ...what], 'pip download torch for CUDA');
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl')) ?? '';
    const options = { what: `unpacking ${wheel}`, cwd: work, quiet: true };
    await run('cmake', ['-E', 'tar', 'xf', wheel, '--', ...COMPILED_AGAINST], options);
    rmSync(join(work, wheel));
  });
  return join(folder, 'torch');
}

const cachedToRun = () => join(cacheFolder(), `torch-${LIBTORCH_VERSION}-cuda`);

/** A LibTorch with CUDA to run: named by the environment, of an installed Python torch, in the cache. */
export function presentCudaLibtorch() {
  const found = fromEnvironment() ?? fromPython();
  if (found) return found;
  return existsSync(cachedToRun()) ? join(cachedToRun(), 'torch') : undefined;
}

/** The same, else fetched into the cache. */
export async function findCudaLibtorch() {
  const present = presentCudaLibtorch();
  if (present) return present;
  const folder = await fetchInto(cachedToRun(), async (work) => {
    say(`installing torch ${LIBTORCH_VERSION} with CUDA's libraries into the cache (5 GB)`);
    const what = ['--only-binary=:all:', ...WHEEL_TAGS, '--target', work, `torch===${LIBTORCH_VERSION}`];
    await pip(['install', '--disable-pip-version-check', '--quiet', ...what], 'pip install torch for CUDA');
  });
  return join(folder, 'torch');
}
