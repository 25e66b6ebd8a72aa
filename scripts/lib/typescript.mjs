import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow, hashOf } from './hash.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { say } from './say.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';

const entry = join(root, 'dist', 'index.js');

/** Compiles src to dist unless dist was made from the same sources. */
export async function ensureTypescript() {
  const inputs = ['tsconfig.json', 'binding.d.ts', 'package-lock.json'].map((file) => join(root, file));
  const wanted = hashOf([...filesBelow(join(root, 'src')), ...inputs]);
  const stamp = readStamp('typescript');
  if (stamp['sources'] === wanted && stamp['built'] === fingerprint(entry)) return false;
  say('compiling TypeScript');
  const beside = join(root, 'build', 'dist');
  rmSync(beside, { recursive: true, force: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await run(process.execPath, [tsc, '-p', root, '--outDir', beside], { what: 'compiling TypeScript', cwd: root });
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  renameSync(beside, join(root, 'dist'));
  writeStamp('typescript', { sources: wanted, built: fingerprint(entry) });
  return true;
}
