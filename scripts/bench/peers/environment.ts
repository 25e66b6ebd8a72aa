import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../../lib/lock.mjs';
import { cacheFolder } from '../../lib/root.mjs';
import { run } from '../../lib/run.mjs';
import { say, SetupError } from '../../lib/say.mjs';
import { NPM_PACKAGES, PYTHON_PACKAGES, TORCH, VERSIONS_KEY } from './versions.js';

export interface PeerEnvironment {
  python: string;
  /** Its node_modules holds the npm packages; undefined where there are none. */
  packages: string | undefined;
  /** Names what is installed in it. */
  key: string;
}

const CPU_WHEELS = 'https://download.pytorch.org/whl/cpu';

/** The peers' libraries in a folder of our cache, installed there by the first call. */
export async function peerEnvironment(): Promise<PeerEnvironment> {
  const folder = join(cacheFolder(), `bench-peers-${VERSIONS_KEY}`);
  const python = join(folder, 'venv/bin/python');
  const packages = join(folder, 'npm');
  const complete = join(folder, 'complete');
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(complete)) return;
    await rm(folder, { recursive: true, force: true });
    say(`installing the peers into ${folder} (2 GB, minutes)`);
    await installNpm(packages);
    await installPython(join(folder, 'venv'), python);
    await writeFile(complete, `${[`torch==${TORCH}`, ...PYTHON_PACKAGES, ...NPM_PACKAGES].join('\n')}\n`);
  });
  return { python, packages, key: VERSIONS_KEY };
}

async function installPython(folder: string, python: string): Promise<void> {
  const hint = 'Needed: python3 3.10 to 3.13 with venv (sudo apt-get install python3-venv), and a package index.';
  await run('python3', ['-m', 'venv', folder], { what: 'python3 -m venv', hint, quiet: true });
  const pip = (...packages: string[]): Promise<string> =>
    run(python, ['-m', 'pip', 'install', '--disable-pip-version-check', ...packages], {
      what: `pip install ${packages.join(' ')}`,
      hint,
      quiet: true, // each index that lacks a package makes it warn
    });
  // The wheel for CPUs by itself where an index or a local folder has it: the other one brings gigabytes for GPUs.
  const ways = [[`torch==${TORCH}+cpu`], [`torch==${TORCH}`, '--index-url', CPU_WHEELS], [`torch==${TORCH}`]];
  for (const [i, way] of ways.entries()) {
    try {
      await pip(...way);
      break;
    } catch (error) {
      if (!(error instanceof SetupError) || i === ways.length - 1) throw error;
      say(`pip has no ${way.join(' ')}`);
    }
  }
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
