import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queryObjects } from 'node:v8';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assertWritable } from '../../src/io/output-file.js';
import { RankDistillmError } from '../../src/errors.js';
import { writeAtomically } from '../../src/io/atomic-write.js';
import { LOADER } from '../support/programs.js';

const test = suite('files written at once');

const temporary: string[] = [];
process.on('exit', () => temporary.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-write-'));
  temporary.push(folder);
  return folder;
}

const writeText = (path: string, text: string): Promise<void> => writeAtomically(path, (write) => write(text));

async function errorOf(work: Promise<unknown>): Promise<RankDistillmError> {
  const error: unknown = await work.catch((caught: unknown) => caught);
  assert.instance(error, RankDistillmError);
  return error as RankDistillmError;
}

/** Writes `path` in a process that is killed half way. */
function killedWriter(path: string): void {
  const module = JSON.stringify(new URL('../../src/io/atomic-write.ts', import.meta.url).href);
  const program = join(emptyFolder(), 'killed.mjs');
  writeFileSync(
    program,
    `import { writeAtomically } from ${module};
    await writeAtomically(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'));`,
  );
  const { signal, stderr } = spawnSync(process.execPath, ['--import', LOADER, program]);
  assert.is(signal, 'SIGKILL', stderr.toString());
}

test('a link stays, and the file that it leads to is written', async () => {
  const folder = emptyFolder();
  mkdirSync(join(folder, 'real'));
  writeFileSync(join(folder, 'real', 'a'), 'old');
  symlinkSync('real', join(folder, 'linked'));
  symlinkSync('linked/a', join(folder, 'b'));
  symlinkSync('../b', join(folder, 'real', 'c'));
  for (const link of ['b', 'real/c', 'linked/c']) {
    await assertWritable(join(folder, link));
    await writeText(join(folder, link), link);
    assert.is(readFileSync(join(folder, 'real', 'a'), 'utf8'), link);
    assert.is(lstatSync(join(folder, 'real', 'a')).isFile(), true);
  }
  assert.is(readlinkSync(join(folder, 'b')), 'linked/a');
  assert.is(readlinkSync(join(folder, 'real', 'c')), '../b');
  assert.equal(readdirSync(folder).sort(), ['b', 'linked', 'real']);
  assert.equal(readdirSync(join(folder, 'real')).sort(), ['a', 'c']);
});

test('a link that leads to nothing yet: the file is made there', async () => {
  const folder = emptyFolder();
  symlinkSync('second', join(folder, 'first'));
  symlinkSync('new/file', join(folder, 'second'));
  await assertWritable(join(folder, 'first'));
  assert.equal(readdirSync(folder).sort(), ['first', 'second']);
  await writeText(join(folder, 'first'), 'text');
  assert.is(readFileSync(join(folder, 'new', 'file'), 'utf8'), 'text');
  assert.is(readlinkSync(join(folder, 'first')), 'second');
});

test('a folder, a pipe, a socket and a link in a circle are refused, and stay', async () => {
  const folder = emptyFolder();
  mkdirSync(join(folder, 'folder'));
  assert.is(spawnSync('mkfifo', [join(folder, 'pipe')]).status, 0);
  const server = createServer().listen(join(folder, 'socket'));
  symlinkSync('pipe', join(folder, 'link'));
  symlinkSync('circle', join(folder, 'circle'));
  const before = readdirSync(folder);
  for (const [name, message] of [
    ['folder', /is a folder, not a file/],
    ['pipe', /is not a regular file/],
    ['link', /is not a regular file/],
    ['socket', /is not a regular file/],
    ['circle', /symbolic links/],
  ] as const) {
    const path = join(folder, name);
    for (const work of [assertWritable, (output: string) => writeText(output, 'text')]) {
      const error = await errorOf(work(path));
      assert.is(error.code, 'io');
      assert.match(error.message, message);
      assert.ok(error.message.startsWith(`${path}: cannot write`) && error.hint);
    }
  }
  assert.equal(readdirSync(folder), before);
  assert.ok(lstatSync(join(folder, 'pipe')).isFIFO());
  await new Promise((resolve) => server.close(resolve));
});

test('what a killed process left is removed when the file is written again; that of other files stays', async () => {
  const folder = emptyFolder();
  killedWriter(join(folder, 'a.run'));
  killedWriter(join(folder, 'b.run'));
  const left = readdirSync(folder).sort();
  assert.equal(
    left.map((name) => name.replace(/\.new-.*/, '')),
    ['.a.run', '.b.run'],
  );
  await writeText(join(folder, 'a.run'), 'text');
  assert.equal(readdirSync(folder).sort(), [left[1]!, 'a.run'].sort());
});

test("another machine's file stays while it may be being written", async () => {
  const folder = emptyFolder();
  const foreign = join(folder, '.a.run.new-1-1-00000000-0123abcd');
  writeFileSync(foreign, '');
  await writeText(join(folder, 'a.run'), 'text');
  assert.equal(readdirSync(folder).length, 2);
  utimesSync(foreign, 1, 1);
  await writeText(join(folder, 'a.run'), 'text');
  assert.equal(readdirSync(folder), ['a.run']);
});

test('waiting for a slow disk holds nothing on to', async () => {
  const path = join(emptyFolder(), 'long.run');
  const text = 'x'.repeat(64 * 1024);
  const waits = 500;
  await writeAtomically(path, async (write) => {
    await write(text);
    const before = queryObjects(Promise);
    for (let i = 1; i < waits; i++) await write(text);
    const held = Number(queryObjects(Promise)) - Number(before);
    assert.ok(held < 50, `${held} promises after ${waits} waits`);
  });
  assert.is(lstatSync(path).size, waits * text.length);
});

test('when the text cannot be made, the old file stays and nothing is left', async () => {
  const folder = emptyFolder();
  const path = join(folder, 'a.run');
  await writeText(path, 'old');
  const failed = writeAtomically(path, async (write) => {
    await write('new');
    throw new RankDistillmError('bad_input', 'no more', { hint: 'none' });
  });
  assert.is((await errorOf(failed)).message, 'no more');
  assert.is(readFileSync(path, 'utf8'), 'old');
  assert.equal(readdirSync(folder), ['a.run']);
});

test.run();
