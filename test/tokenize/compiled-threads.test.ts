import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { transpile } from '../support/transpile.js';
import { checkpointOf } from '../support/models.js';
import { HANGS_MS } from '../support/programs.js';

const test = suite('threads of the tokenizer, from the compiled package');
const PROGRAM = `
  let threads = 0;
  process.on('worker', () => (threads += 1));
  void createPairTokenizer(${JSON.stringify(checkpointOf('uncased-vocab'))}, { threads: 2 })
    .then((tokenizer) =>
      tokenizer.encodePairs(Array.from({ length: 300 }, (_, i) => ({ query: 'a', document: 'the river ' + i }))),
    )
    .then((pairs) => console.log(pairs.length, 'pairs', threads, 'threads'));`;
const IMPORT = `import { createPairTokenizer } from './compiled/tokenize/pair-tokenizer.js';${PROGRAM}`;
const REQUIRE = `const { createPairTokenizer } = require('./compiled/tokenize/pair-tokenizer.js');${PROGRAM}`;

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rank-distillm-compiled-'));
  for (const part of ['tokenize', 'models', 'io', '.']) await transpile(part, join(folder, 'compiled'));
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder, 'node_modules'));
  const files = { 'compiled/package.json': '{"type":"module"}', 'module.mjs': IMPORT, 'commonjs.cjs': REQUIRE };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
});
test.after(() => rm(folder, { recursive: true }));

const CASES: [name: string, argv: string[]][] = [
  ['imported by a module', ['module.mjs']],
  ['required from CommonJS', ['commonjs.cjs']],
  ['imported by a text', ['--input-type=module', '-e', IMPORT]],
];

for (const [name, argv] of CASES) {
  test(name, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: folder, timeout: HANGS_MS });
    assert.is(stdout, '300 pairs 2 threads\n');
  });
}

test.run();
