import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inFolder } from '../support/files.js';

const test = suite('test runner');
const root = fileURLToPath(new URL('../..', import.meta.url));

const HEAD = "import { suite } from 'uvu';\nimport * as assert from 'uvu/assert';\nconst test = suite('x');\n";
const PASSES = `${HEAD}test('a', () => assert.ok(true));\ntest('b', () => assert.ok(true));\ntest.run();\n`;

/** Runs the runner on a project that has these test files. */
async function outcome(
  files: Record<string, string>,
  { words = [], ci = 'false' }: { words?: string[]; ci?: string } = {},
): Promise<{ status: number | null; lines: string[]; last: string }> {
  let result = { status: null as number | null, lines: [] as string[], last: '' };
  await inFolder((folder) => {
    cpSync(join(root, 'scripts/test.mjs'), join(folder, 'scripts/test.mjs'), { recursive: true });
    cpSync(join(root, 'scripts/lib'), join(folder, 'scripts/lib'), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    mkdirSync(join(folder, 'test'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'test', name), text);
    const { status, stdout } = spawnSync(process.execPath, [join(folder, 'scripts/test.mjs'), ...words], {
      encoding: 'utf8',
      env: { ...process.env, CI: ci },
    });
    const lines = stdout.trimEnd().split('\n');
    result = { status, lines, last: lines.at(-1) ?? '' };
  });
  return result;
}

test('passing files are added up', async () => {
  const { status, last } = await outcome({ 'a.test.ts': PASSES, 'b.test.ts': PASSES, 'helper.ts': 'process.exit(9);' });
  assert.is(last, '4 passed, 0 failed');
  assert.is(status, 0);
});

test('a failing test fails the run', async () => {
  const { status, last } = await outcome({ 'a.test.ts': PASSES.replace('assert.ok(true)', 'assert.ok(false)') });
  assert.is(last, '1 passed, 1 failed');
  assert.is(status, 1);
});

test('a file that never runs its suite fails', async () => {
  const { status, lines, last } = await outcome({
    'a.test.ts': PASSES.replace('test.run();', ''),
    'b.test.ts': PASSES,
  });
  assert.is(last, '2 passed, 1 failed');
  assert.is(status, 1);
  assert.ok(lines.some((line) => line.includes('ran no test')));
});

test('a file that breaks off fails', async () => {
  assert.is((await outcome({ 'a.test.ts': `${PASSES}process.exit(0);` })).last, '0 passed, 1 failed');
  assert.is((await outcome({ 'a.test.ts': 'throw new Error("x");' })).last, '0 passed, 1 failed');
  assert.is(
    (await outcome({ 'a.test.ts': `${PASSES}process.on('exit', () => process.abort());` })).last,
    '2 passed, 1 failed',
  );
});

test('a file that skips everything is named and counted, in CI too', async () => {
  const files = { 'a.test.ts': `console.log('left out: needs data');\n${HEAD}test.run();\n`, 'b.test.ts': PASSES };
  for (const ci of ['false', 'true']) {
    const { status, lines, last } = await outcome(files, { ci });
    assert.is(last, '2 passed, 0 failed, 1 skipped');
    assert.is(status, 0);
    assert.ok(lines.some((line) => line.includes('left out: needs data')));
  }
});

test('what a test leaves out is named and counted, wherever uvu has written its dots', async () => {
  const says = "test('a', () => console.log('left out: a disk'));\ntest('b', () => console.log('left out: data'));";
  const { lines, last } = await outcome({ 'a.test.ts': `${HEAD}${says}\ntest.run();\n` });
  assert.is(last, '2 passed, 0 failed, 2 skipped');
  assert.equal(
    lines.filter((line) => line.includes('left out')).map((line) => line.trim()),
    ['left out: a disk', 'left out: data'],
  );
});

test('words choose files, and none chosen is a failure', async () => {
  const files = { 'apple.test.ts': PASSES, 'pear.test.ts': PASSES };
  assert.is((await outcome(files, { words: ['apple'] })).last, '2 passed, 0 failed');
  assert.is((await outcome(files, { words: ['plum'] })).status, 1);
});

test.run();
