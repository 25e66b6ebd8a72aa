import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashOf } from '../../lib/hash.mjs';
import { withLock } from '../../lib/lock.mjs';
import { LIBTORCH_VERSION as TORCH } from '../../lib/libtorch.mjs';
import { cacheFolder } from '../../lib/root.mjs';
import { run } from '../../lib/run.mjs';
import { say } from '../host.js';
import { randomModel, type RandomModelName } from '../models.js';
import type { Contender, ModelPart } from './contenders.js';

/** lightning-ir 0.0.6 needs transformers 4; the extra is named so that pip does not look for another release with it. */
const PYTHON_PACKAGES = [
  'transformers[torch]==4.57.6',
  'sentence-transformers==5.7.0',
  'onnxruntime==1.32.0',
  'onnx==1.23.2',
  'lightning-ir==0.0.6',
  'safetensors==0.8.0',
];
const NPM_PACKAGES = ['onnxruntime-node@1.30.0', '@huggingface/transformers@4.3.1'];
/** Names what is installed: other versions get another folder. */
const KEY = hashOf([], [TORCH, ...PYTHON_PACKAGES, ...NPM_PACKAGES]).slice(0, 12);
const CPU_WHEELS = 'https://download.pytorch.org/whl/cpu';

export interface PeerEnvironment {
  python: string;
  /** Its node_modules holds the npm packages; undefined where there are none. */
  packages: string | undefined;
  /** Names what is installed in it. */
  key: string;
}

/**
 * The peers' libraries in a folder of our cache, installed there by the first call; or a Python that somebody else has set
 * up, without npm packages: a peer whose library it lacks does not start.
 */
export async function peerEnvironment(existing?: string): Promise<PeerEnvironment> {
  if (existing !== undefined) return { python: existing, packages: undefined, key: existing };
  const folder = join(cacheFolder(), `bench-peers-${KEY}`);
  const venv = join(folder, 'venv');
  const python = join(venv, 'bin/python');
  const packages = join(folder, 'npm');
  const complete = join(folder, 'complete');
  // In its place: a virtual environment cannot be moved.
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(complete)) return;
    say(`installing the peers into ${folder} (2 GB, minutes)`);
    await installNpm(packages);
    await installPython(venv, python);
    await writeFile(complete, '');
  });
  return { python, packages, key: KEY };
}

async function installPython(folder: string, python: string): Promise<void> {
  const hint = 'Needed: python3 3.10 to 3.13 with venv (sudo apt-get install python3-venv), and a package index.';
  await run('python3', ['-m', 'venv', '--clear', folder], { what: 'python3 -m venv', hint, quiet: true });
  const pip = (...packages: string[]): Promise<string> =>
    run(python, ['-m', 'pip', 'install', '--disable-pip-version-check', ...packages], {
      what: `pip install ${packages.join(' ')}`,
      hint,
      quiet: true, // each index that lacks a package makes it warn
    });
  // The wheel for CPUs, where an index has it: the other one brings gigabytes for GPUs.
  await pip(`torch==${TORCH}`, '--extra-index-url', CPU_WHEELS);
  await pip(`torch==${TORCH}`, ...PYTHON_PACKAGES);
}

async function installNpm(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  // onnxruntime-node's script only fetches what GPUs need; its binary for the CPU is in the package.
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...NPM_PACKAGES], {
    what: `npm install ${NPM_PACKAGES.join(' ')}`,
    cwd: folder,
  });
}

/** `onnx` is made of `classification`. */
const PARTS: readonly ModelPart[] = ['mono', 'classification', 'onnx'];

/** A folder with the parts that the contenders run, see make_models.py; each is made once per checkout and environment. */
export async function peerModels(
  { python, key }: PeerEnvironment,
  model: RandomModelName,
  contenders: readonly Contender[],
): Promise<string> {
  const backbone = await randomModel(model);
  const script = fileURLToPath(new URL('make_models.py', import.meta.url));
  const folder = `${backbone}-peers-${hashOf([script], [key]).slice(0, 12)}`;
  await mkdir(folder, { recursive: true });
  const complete = (part: ModelPart): string => join(folder, `complete-${part}`);
  const needed = new Set(contenders.map((contender) => contender.model));
  if (needed.has('onnx')) needed.add('classification');
  const missing = PARTS.filter((part) => needed.has(part) && !existsSync(complete(part)));
  if (missing.length === 0) return folder;
  say(`writing the peers' models into ${folder}`);
  await run(python, [script, backbone, folder, ...missing], { what: 'make_models.py', quiet: true });
  for (const part of missing) await writeFile(complete(part), '');
  return folder;
}
