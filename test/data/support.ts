import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { RankDistillmError, type ErrorCode } from '../../src/errors.js';

/** A folder of its own for a test file; caches go there too, and it is removed at exit. */
export function temporaryFolder(): { folder: string; file: (name: string, content: string | Uint8Array) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-test-'));
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    file: (name, content) => {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
  };
}

/** A pipe in `folder` that a process of its own fills, byte by byte where `slowly`. */
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

/** A file that scripts/references/run_dataset.py wrote. */
export function golden(name: string): string {
  return fileURLToPath(new URL(`golden/${name}`, import.meta.url));
}

/** Asserts that `work` fails with one clear error: its code, all `words` in its message, and a hint. */
export async function refuses(work: () => unknown, code: ErrorCode, ...words: string[]): Promise<RankDistillmError> {
  let error: unknown;
  try {
    await work();
  } catch (caught) {
    error = caught;
  }
  if (!(error instanceof RankDistillmError)) throw new Error('not refused as it should be', { cause: error });
  assert.is(error.code, code, error.message);
  assert.not.match(error.message, /[\r\n]/);
  for (const word of words) assert.ok(error.message.includes(word), `"${error.message}" should name "${word}"`);
  assert.ok(error.hint, `"${error.message}" has no hint`);
  return error;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
