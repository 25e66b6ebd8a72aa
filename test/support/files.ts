import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';

const temporary: string[] = [];
process.on('exit', () => temporary.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** An empty folder that is removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-test-'));
  temporary.push(folder);
  return folder;
}

/**
 * Copies a folder; links become files. cpSync of Node.js 22.23 keeps the links unless it has a filter, and whoever changes
 * the copy changes the original.
 */
export function copyFolder(from: string, to: string): void {
  cpSync(from, to, { recursive: true, dereference: true, filter: () => true });
}

/** A temporary folder for the files of one test file. Collection indexes go there instead of into the user's cache. */
export function temporaryFiles(): { folder: string; file: (name: string, content: string | Uint8Array) => string } {
  const folder = temporaryFolder();
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
  return {
    folder,
    file: (name, content) => {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
  };
}

/** Replaces a text in a file, which has to hold it. */
export async function changeFile(path: string, from: string | RegExp, to: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  assert.not.equal(text.replace(from, to), text);
  await writeFile(path, text.replace(from, to));
}

/** Calls `use` with an empty folder and removes the folder afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-test-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Keeps the collection indexes of a suite out of the user's cache. */
export function useOwnCache(test: { before(hook: () => void): void; after(hook: () => void): void }): void {
  const before = process.env['XDG_CACHE_HOME'];
  test.before(() => {
    process.env['XDG_CACHE_HOME'] = temporaryFolder();
  });
  test.after(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  });
}

/** Writes files below a folder; a null content makes a folder. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Buffer | null>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(content === null ? path : dirname(path), { recursive: true });
    if (content !== null) await writeFile(path, content);
  }
}

/** Every file and folder below a folder, files with size and time of change: equal listings mean that nothing changed. */
export async function listing(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort();
  return Promise.all(
    names.map(async (name) => {
      const found = await stat(join(folder, name));
      return found.isDirectory() ? `${name}/` : `${name} ${found.size} ${found.mtimeMs}`;
    }),
  );
}

/** A pipe in `folder` that another process fills, byte by byte where `slowly`. */
export function pipe(folder: string, name: string, content: string | Uint8Array, slowly = false): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  const command = slowly ? 'dd bs=1 status=none' : 'cat';
  const writer = spawn('sh', ['-c', `${command} > "$0"`, path], { stdio: ['pipe', 'ignore', 'ignore'] });
  writer.stdin.on('error', () => undefined); // a reader may refuse the pipe
  writer.stdin.end(content);
  process.on('exit', () => writer.kill());
  writer.unref();
  return path;
}
