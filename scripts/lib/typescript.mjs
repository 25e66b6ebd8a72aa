import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow, hashOf } from './hash.mjs';
import { bundlePages } from './page.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { say } from './say.mjs';
import { dropStamp, readStamp, writeStamp } from './stamp.mjs';

/** Of all that tsc and the bundler of the report page read. */
function inputs() {
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'binding.d.ts'].map((name) => join(root, name));
  const sources = filesBelow(join(root, 'src'), (name) => /\.(ts|css|json)$/.test(name));
  return hashOf([...files, ...['page', 'compile'].map((name) => join(root, `scripts/lib/${name}.mjs`)), ...sources]);
}

export function isCompiled() {
  const stamp = readStamp('typescript');
  const files = /** @type {string[]} */ (stamp['files'] ?? []);
  return files.length > 0 && stamp['inputs'] === inputs() && files.every((file) => existsSync(join(root, file)));
}

/** Compiles src into dist, unless nothing has changed; files whose source is gone are removed. */
export async function ensureTypeScript() {
  if (isCompiled()) return false;
  const dist = join(root, 'dist');
  const before = inputs();
  say('compiling TypeScript');
  dropStamp('typescript');
  const printed = await run(process.execPath, [join(root, 'scripts/lib/compile.mjs')], {
    what: 'tsc',
    hint: 'The lines above name the files.',
    cwd: root,
    quiet: true,
  });
  const emitted = [...printed.matchAll(/^TSFILE: (.+)$/gm)].map((match) => match[1] ?? '');
  emitted.push(...(await bundlePages()));
  for (const file of filesBelow(dist)) if (!emitted.includes(file)) rmSync(file);
  const command = join(dist, 'cli/main.js');
  if (existsSync(command)) chmodSync(command, 0o755); // `npx rank-distillm` in a checkout runs the file itself
  writeStamp('typescript', { inputs: before, files: emitted.map((file) => file.slice(root.length + 1)) });
  return true;
}
