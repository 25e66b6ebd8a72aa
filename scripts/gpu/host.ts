import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from '../lib/root.mjs';
import { output } from '../lib/run.mjs';
import { SetupError } from '../lib/say.mjs';
import { CUDA_PROGRAMS } from '../lib/tools.mjs';

/** The build's folder, and where its parts may lie in it. */
export const BUILD = join(root, 'build/cuda');
const PLACES = ['Release', '.'];

export interface Host {
  /** Has torch and, for the peers, transformers. */
  python: string;
  /** Folder of LibTorch or of the Python package. */
  torch: string;
  /** In which the addon finds torch's libraries, and CMake CUDA's compiler. */
  env: NodeJS.ProcessEnv;
}

/** LibTorch with CUDA: what the environment names, else Python's. */
export function findHost(): Host {
  const python = process.env['RANK_DISTILLM_PYTHON'] ?? 'python3';
  const where = 'import os, torch; print(os.path.dirname(torch.__file__))';
  const torch = process.env['RANK_DISTILLM_LIBTORCH'] ?? output(python, ['-c', where])?.trim();
  if (torch === undefined) {
    throw new SetupError(
      `no LibTorch with CUDA: ${python} has no torch`,
      'Let RANK_DISTILLM_LIBTORCH name a folder of LibTorch, or RANK_DISTILLM_PYTHON a Python with torch.',
    );
  }
  const libraries = [join(torch, 'lib'), ...cudaLibraries(torch)];
  const paths = [...libraries, process.env['LD_LIBRARY_PATH'] ?? ''].filter((path) => path !== '');
  const programs = [process.env['PATH'], CUDA_PROGRAMS].join(delimiter);
  return { python, torch, env: { ...process.env, PATH: programs, LD_LIBRARY_PATH: paths.join(delimiter) } };
}

/** Python's torch has CUDA's libraries in packages beside it. */
function cudaLibraries(torch: string): string[] {
  const nvidia = join(torch, '../nvidia');
  if (!existsSync(nvidia)) return [];
  return readdirSync(nvidia)
    .map((name) => join(nvidia, name, 'lib'))
    .filter((folder) => existsSync(folder));
}

/** A file of the build, or undefined before it is built. */
export function built(name: string): string | undefined {
  return PLACES.map((place) => join(BUILD, place, name)).find((file) => existsSync(file));
}

/** Of its GPUs, as CMake writes them: `90-real`. Undefined where the driver does not tell. */
export function gpuArchitectures(): string | undefined {
  const lines = output('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader'])?.trim().split('\n') ?? [];
  const found = lines.map((line) => line.trim().replace('.', '')).filter((digits) => /^\d+$/.test(digits));
  return found.length === 0 ? undefined : [...new Set(found)].map((digits) => `${digits}-real`).join(';');
}

/** What the figures belong to, one line each. */
export function hostFacts({ python, torch }: Host): string[] {
  const query = '--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory';
  const versions = 'import sys, torch; print("Python", sys.version.split()[0] + ", torch", torch.__version__)';
  return [
    output('nvidia-smi', [query, '--format=csv,noheader']) ?? 'no nvidia-smi',
    output('nvcc', ['--version'])?.trim().split('\n').at(-1) ?? 'no nvcc',
    output(python, ['-c', versions]) ?? `${python} has no torch`,
    `built against ${torch}`,
    `Node.js ${process.version}`,
    `commit ${output('git', ['-C', root, 'describe', '--always', '--dirty']) ?? 'unknown'}`,
  ].map((line) => line.trim());
}
