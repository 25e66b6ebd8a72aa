import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: object };

/** Runs `work` with an empty folder that is gone afterwards. */
export async function inFolder(work: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes files into a folder, by their paths there. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/**
 * Runs `work` with a checkout that has our scripts, our packages and these files. `load` imports one of its scripts, which
 * takes that folder for the checkout.
 */
export async function inCheckout(
  files: Readonly<Record<string, string>>,
  work: (folder: string, load: <T>(script: string) => Promise<T>) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    cpSync(join(root, 'scripts/lib'), join(folder, 'scripts/lib'), { recursive: true });
    cpSync(join(root, 'scripts/setup.mjs'), join(folder, 'scripts/setup.mjs'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFiles(folder, { 'package.json': JSON.stringify({ type: 'module', engines }), ...files });
    await work(folder, (script) => import(pathToFileURL(join(folder, script)).href));
  });
}

/** What an error of the setup scripts says, message and hint. */
export async function complaintOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return `${message}\n${hint ?? ''}`;
  }
  throw new Error('it did not complain');
}
