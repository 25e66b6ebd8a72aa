import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RankDistillmError } from '../../src/errors.js';
import { versionFolder } from '../../src/report/version-folder.js';
import { LOADER } from '../support/programs.js';

const test = suite('version folder');
let root = '';
test.before.each(() => {
  root = mkdtempSync(join(tmpdir(), 'versions-'));
});
test.after.each(() => rmSync(root, { recursive: true }));

test('one past the highest there is', async () => {
  const logs = join(root, 'new', 'lightning_logs');
  assert.is(await versionFolder(join(root, 'new')), join(logs, 'version_0'));
  for (const name of ['version_4', 'version_x', 'version_12b', 'other_20']) mkdirSync(join(logs, name));
  assert.is(await versionFolder(join(root, 'new')), join(logs, 'version_5'));
  assert.is(await versionFolder(root, ''), join(root, 'version_0'));
});

test('a version that is asked for may be there', async () => {
  assert.is(await versionFolder(root, 'runs', 3), join(root, 'runs', 'version_3'));
  assert.is(await versionFolder(root, 'runs', 3), join(root, 'runs', 'version_3'));
  assert.is(await versionFolder(root, 'runs', 'try'), join(root, 'runs', 'try'));
});

test('processes that ask at once get one each', async () => {
  const module = new URL('../../src/report/version-folder.ts', import.meta.url).href;
  const code = `const { versionFolder } = await import('${module}');
    const folders = await Promise.all(Array.from({ length: 8 }, () => versionFolder(process.argv[1])));
    console.log(folders.join('\\n'));`;
  const ask = () =>
    promisify(execFile)(process.execPath, ['--import', LOADER, '--input-type=module', '-e', code, root]);
  const answers = await Promise.all([ask(), ask()]);
  const folders = answers.flatMap(({ stdout }) => stdout.trim().split('\n'));
  assert.is(new Set(folders).size, 16);
  assert.is(readdirSync(join(root, 'lightning_logs')).length, 16);
});

test('a place that cannot be written to is named', async () => {
  writeFileSync(join(root, 'file'), '');
  await versionFolder(join(root, 'file')).then(
    () => assert.unreachable(),
    (error: RankDistillmError) => {
      assert.is(error.code, 'io');
      assert.match(error.message, join(root, 'file', 'lightning_logs'));
    },
  );
});

test.run();
