import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { makeFolder } from '../../src/io/make-folder.js';

const test = suite<{ folder: string }>('make-folder');
test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'rank-distillm-folder-'));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function failure(path: string): Promise<string> {
  try {
    await makeFolder(path);
  } catch (error) {
    if (error instanceof RankDistillmError && error.code === 'io') return error.message;
    throw error;
  }
  throw new Error('the folder was made');
}

test('says which folders are new, outermost first', async ({ folder }) => {
  assert.equal(await makeFolder(join(folder, 'a/b')), [join(folder, 'a'), join(folder, 'a/b')]);
  assert.equal(await makeFolder(join(folder, 'a/c/')), [join(folder, 'a/c')]);
  assert.equal(await makeFolder(join(folder, 'a/b')), []);
  assert.equal(readdirSync(join(folder, 'a')), ['b', 'c']);
});

test('two at once', async ({ folder }) => {
  const path = join(folder, 'a/b/c');
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
  assert.equal(readdirSync(join(folder, 'a/b')), ['c']);
});

test('a file in the way is one error', async ({ folder }) => {
  writeFileSync(join(folder, 'file'), '');
  for (const path of [join(folder, 'file'), join(folder, 'file/below')]) {
    assert.is(await failure(path), `${path}: cannot write: part of the path is a file, not a folder`);
  }
});

test('a file system that takes no folders is an error and no endless loop', async () => {
  assert.is(await failure('/proc/none/below'), '/proc/none/below: cannot write: permission denied');
});

test.run();
