import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { cacheFolder } from './make-folder.js';

/** An installed LibTorch with CUDA. */
export interface FoundLibtorch {
  /** Has `lib`. */
  folder: string;
  /** For example `2.13.0+cu130`. */
  version: string;
  /** `2.13`: an engine fits LibTorch's releases of one minor version. */
  minor: string;
  /** Why it is this one. */
  why: string;
}

/** The engine for GPUs links the runtime of this version of CUDA. */
const CUDA = '13';
const INSTALL = 'npx rank-distillm install-libtorch --cuda';

/**
 * Finds a LibTorch with CUDA: the folder that `RANK_DISTILLM_LIBTORCH` names, the torch of `python3`, or the one that
 * `install-libtorch` put into the cache.
 *
 * @param minors versions that there are engines for: `['2.11', '2.12', '2.13']`
 * @throws RankDistillmError `native` that says what is wrong with each
 */
export function findLibtorch(minors: readonly string[]): FoundLibtorch {
  const named = process.env['RANK_DISTILLM_LIBTORCH'];
  const wanted = `LibTorch ${minors.join(', ')} for CUDA ${CUDA}`;
  if (named) {
    const found = look(resolve(named), 'RANK_DISTILLM_LIBTORCH names it', minors);
    if (typeof found !== 'string') return found;
    // another one instead would hide the mistake
    throw new RankDistillmError('native', `RANK_DISTILLM_LIBTORCH=${named}: ${found}, needed is ${wanted}`, {
      hint: `Let it name such a folder, of LibTorch or of the Python package torch, or unset it. ${INSTALL} installs one.`,
    });
  }
  const python = pythonTorch();
  const places: [string, string][] = [
    ...(python === undefined ? [] : [[python, "it is python3's torch"] as [string, string]]),
    ...cachedFolders().map((folder) => [folder, 'install-libtorch put it into the cache'] as [string, string]),
  ];
  const looked = places.map(([folder, why]) => look(folder, why, minors));
  const found = looked.find((each) => typeof each !== 'string');
  if (found !== undefined) return found;
  const complaints = places.map(([folder], i) => `${folder}: ${looked[i] as string}`);
  if (python === undefined) complaints.push('python3 has no torch');
  if (cachedFolders().length === 0) complaints.push(`${cacheFolder()} has none`);
  throw new RankDistillmError('native', `no ${wanted}: ${complaints.join('; ')}`, {
    hint: `${INSTALL} downloads it (2.5 GB); or let RANK_DISTILLM_LIBTORCH name its folder.`,
  });
}

/** LibTorch with CUDA's libraries in the cache, where `install-libtorch` and the set-up of a checkout put it. */
export function cachedFolder(version: string): string {
  return join(cacheFolder(), `torch-${version}-cuda`, 'torch');
}

function cachedFolders(): string[] {
  const names = existsSync(cacheFolder()) ? readdirSync(cacheFolder()) : [];
  return names.flatMap((name) => /^torch-([\d.]+)-cuda$/.exec(name)?.[1] ?? []).map(cachedFolder);
}

/** What is in a folder, or what is wrong with it. */
function look(folder: string, why: string, minors: readonly string[]): FoundLibtorch | string {
  if (!existsSync(folder)) return 'there is no such folder';
  if (!existsSync(join(folder, 'lib/libtorch_cpu.so'))) return 'it has no lib/libtorch_cpu.so';
  // The archive of LibTorch states its version in `build-version`, the Python package in `version.py`.
  const text = ['build-version', 'version.py'].map((name) => join(folder, name)).filter((file) => existsSync(file));
  if (text[0] === undefined) return 'it does not state its version (build-version or version.py)';
  const content = readFileSync(text[0], 'utf8');
  const version = /__version__ = '([^']+)'/.exec(content)?.[1] ?? content.trim();
  const cuda = /^cuda[^=]*= '(\d+)/m.exec(content)?.[1] ?? /\+cu(\d\d)/.exec(version)?.[1];
  if (!existsSync(join(folder, 'lib/libtorch_cuda.so'))) return `its version is ${version}, without CUDA`;
  const minor = /^\d+\.\d+/.exec(version)?.[0] ?? '';
  if (!minors.includes(minor)) return `its version is ${version}`;
  if (cuda !== undefined && cuda !== CUDA) return `its version is ${version}, for CUDA ${cuda}`;
  return { folder, version, minor, why };
}

/** The folder of an installed Python torch, which is not imported. */
function pythonTorch(): string | undefined {
  const ask =
    'import importlib.util as u; s = u.find_spec("torch"); print(list(s.submodule_search_locations)[0] if s else "")';
  const { status, stdout } = spawnSync('python3', ['-c', ask], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined;
}
