import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inFolder, writeFiles } from '../support/files.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: object };

/**
 * Runs `work` with a checkout that has our scripts, our packages and these files. `load` imports one of its scripts, which
 * takes that folder for the checkout.
 */
export async function inCheckout(
  files: Readonly<Record<string, string>>,
  work: (folder: string, load: <T>(script: string) => Promise<T>) => Promise<void> | void,
): Promise<void> {
  await inFolder(async (folder) => {
    cpSync(join(root, 'scripts/lib'), join(folder, 'scripts/lib'), { recursive: true });
    for (const file of ['scripts/setup.mjs', 'src/fetch/libtorch.json']) cpSync(join(root, file), join(folder, file));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    await writeFiles(folder, { 'package.json': JSON.stringify({ type: 'module', engines }), ...files });
    await work(folder, (script) => import(pathToFileURL(join(folder, script)).href));
  });
}

/** What an error of the setup scripts says, message and hint. */
export async function complaintOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return `${message}\n${hint ?? ''}`;
  }
  throw new Error('it did not complain');
}
