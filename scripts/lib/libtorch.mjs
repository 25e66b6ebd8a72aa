import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { findPip } from './pip.mjs';
import { cacheFolder, LIBTORCH_VERSION } from './root.mjs';
import { output, run } from './run.mjs';
import { say, SetupError } from './say.mjs';

/**
 * LibTorch's CPU build as PyTorch publishes it for Python 3.11: the wheel holds the same libraries and headers as the
 * LibTorch archive, and unlike that one it has a published SHA-256, which is checked here.
 */
const WHEEL = {
  requirement: `torch==${LIBTORCH_VERSION}+cpu`,
  name: `torch-${LIBTORCH_VERSION}+cpu-cp311-cp311-manylinux_2_28_x86_64.whl`,
  url: `https://download.pytorch.org/whl/cpu/torch-${LIBTORCH_VERSION}%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl`,
  sha256: '6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b',
};

const MEND = `Set RANK_DISTILLM_LIBTORCH to a LibTorch ${LIBTORCH_VERSION} folder (CPU build), or connect to the network and try again.`;

/** Where LibTorch's parts are in `folder`: itself, or `torch` or `libtorch` in it. @param {string} folder */
function libtorchIn(folder) {
  return [folder, join(folder, 'torch'), join(folder, 'libtorch')].find((candidate) =>
    existsSync(join(candidate, 'share', 'cmake', 'Torch', 'TorchConfig.cmake')),
  );
}

/** @param {string} libtorch @returns {string | undefined} */
function versionOf(libtorch) {
  for (const header of ['include/torch/headeronly/version.h', 'include/torch/csrc/api/include/torch/version.h']) {
    const file = join(libtorch, header);
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8');
    const part = (/** @type {string} */ name) => new RegExp(`TORCH_VERSION_${name}\\s+(\\d+)`).exec(text)?.[1];
    if (part('MAJOR')) return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
  }
  return undefined;
}

/** The folder that the user names, which must be right: a wrong one is an error and not passed over. */
function fromEnvironment() {
  const name = ['RANK_DISTILLM_LIBTORCH', 'LIBTORCH'].find((variable) => process.env[variable]);
  if (!name) return undefined;
  const folder = resolve(/** @type {string} */ (process.env[name]));
  const libtorch = libtorchIn(folder);
  if (!libtorch) {
    throw new SetupError(`${name}=${folder}: no LibTorch there (share/cmake/Torch/TorchConfig.cmake is missing)`, MEND);
  }
  const version = versionOf(libtorch);
  if (version !== LIBTORCH_VERSION) {
    throw new SetupError(`${name}=${folder}: LibTorch ${version ?? 'of unknown version'}, needed is ${LIBTORCH_VERSION}`, MEND);
  }
  return libtorch;
}

/** An installed Python torch of exactly this version, CPU build; found without importing it. */
function fromPython() {
  const code = 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
  for (const python of ['python3', 'python']) {
    const folder = output(python, ['-c', code])?.trim();
    const libtorch = folder ? libtorchIn(folder) : undefined;
    const isCpu = libtorch && !existsSync(join(libtorch, 'lib', 'libtorch_cuda.so'));
    if (libtorch && isCpu && versionOf(libtorch) === LIBTORCH_VERSION) return libtorch;
  }
  return undefined;
}

/** SHA-256 of the wheel, or an error that leaves no wrong file behind. @param {string} file */
async function checkWheel(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  const found = hash.digest('hex');
  if (found === WHEEL.sha256) return;
  rmSync(file, { force: true });
  throw new SetupError(`${WHEEL.name}: the SHA-256 is ${found}, expected ${WHEEL.sha256}; the file was removed`, MEND);
}

/** Asks pip for exactly the CPU wheel; pip knows proxies, mirrors and folders that we do not. @param {string} folder */
async function fetchWithPip(folder) {
  const pip = findPip();
  if (!pip) return false;
  const [command = '', ...leading] = pip;
  const wanted = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--platform', 'manylinux_2_28_x86_64'];
  const args = ['download', WHEEL.requirement, '--no-deps', '--only-binary=:all:', ...wanted, '-d', folder];
  try {
    await run(command, [...leading, ...args], { what: 'pip download' });
    return existsSync(join(folder, WHEEL.name));
  } catch {
    say('pip does not offer it; downloading from pytorch.org');
    return false;
  }
}

/** Downloads the wheel, going on where an interrupted download ended. @param {string} file */
async function fetchFromPytorch(file) {
  const partial = `${file}.partial`;
  const start = existsSync(partial) ? statSync(partial).size : 0;
  const response = await fetch(WHEEL.url, { headers: start > 0 ? { range: `bytes=${start}-` } : {} });
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
  const resumes = response.status === 206;
  if (!resumes && start > 0) truncateSync(partial);
  let done = resumes ? start : 0;
  const total = done + Number(response.headers.get('content-length') ?? 0);
  const { SingleBar } = (await import('cli-progress')).default;
  const bar = new SingleBar({ format: 'LibTorch [{bar}] {percentage}% | {value}/{total} MB', noTTYOutput: true, notTTYSchedule: 5000 });
  const mb = (/** @type {number} */ bytes) => Math.round(bytes / 1e6);
  bar.start(mb(total), mb(done));
  const handle = await open(partial, 'a');
  try {
    for await (const chunk of response.body) {
      await handle.write(chunk);
      done += chunk.length;
      bar.update(mb(done));
    }
  } finally {
    bar.stop();
    await handle.close();
  }
  renameSync(partial, file);
}

/** Fetches, checks and unpacks LibTorch into the cache folder. @param {string} target */
async function fetchLibtorch(target) {
  const downloads = join(cacheFolder(), 'downloads');
  mkdirSync(downloads, { recursive: true });
  const wheel = join(downloads, WHEEL.name);
  if (!existsSync(wheel)) {
    say(`fetching LibTorch ${LIBTORCH_VERSION} (190 MB)`);
    if (!(await fetchWithPip(downloads))) {
      await fetchFromPytorch(wheel).catch((error) => {
        throw new SetupError(`LibTorch could not be fetched: ${error.cause?.message ?? error.message}`, MEND);
      });
    }
  }
  await checkWheel(wheel);
  say('unpacking LibTorch');
  const beside = `${target}.tmp-${process.pid}`;
  mkdirSync(beside, { recursive: true });
  try {
    const parts = ['torch/lib', 'torch/include', 'torch/share/cmake'];
    await run('cmake', ['-E', 'tar', 'xf', wheel, ...parts], { what: 'unpacking LibTorch', cwd: beside, quiet: true });
    mkdirSync(dirname(target), { recursive: true });
    rmSync(target, { recursive: true, force: true });
    renameSync(join(beside, 'torch'), target);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  rmSync(wheel, { force: true });
  return target;
}

/** The LibTorch to build with: a folder with `lib`, `include` and `share/cmake/Torch`. */
export async function ensureLibtorch() {
  const cached = join(cacheFolder(), `libtorch-${LIBTORCH_VERSION}-cpu`);
  return fromEnvironment() ?? libtorchIn(cached) ?? fromPython() ?? (await fetchLibtorch(cached));
}
