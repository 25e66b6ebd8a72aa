import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

test('what killed processes left is removed by the next write, under any name', async () => {
  const folder = emptyFolder();
  killedWriter(join(folder, 'a.run'));
  killedWriter(join(folder, 'b.run'));
  assert.equal(
    readdirSync(folder).map((name) => name.replace(/\.new-.*/, '')),
    ['.b.run'],
  );
  await writeText(join(folder, 'c.run'), 'text');
  assert.equal(readdirSync(folder), ['c.run']);
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

test('a replaced file passes on its mode; a new one has the usual one', async () => {
  const folder = emptyFolder();
  const path = join(folder, 'a.run');
  await writeText(path, 'old');
  assert.is(statSync(path).mode & 0o777, 0o666 & ~process.umask());
  for (const mode of [0o600, 0o640, 0o444]) {
    chmodSync(path, mode);
    await writeText(path, `mode ${mode}`);
    assert.is(statSync(path).mode & 0o777, mode);
    assert.is(readFileSync(path, 'utf8'), `mode ${mode}`);
  }
});

test('a private file is private from its first byte on', async () => {
  const folder = emptyFolder();
  const path = join(folder, 'a.run');
  writeFileSync(path, 'old', { mode: 0o600 });
  await writeAtomically(path, async (write) => {
    await write('x'.repeat(1_000_000));
    const [temporary] = readdirSync(folder).filter((name) => name !== 'a.run');
    assert.is(statSync(join(folder, temporary!)).mode & 0o777, 0o600);
  });
});

test('a folder that is removed during the write is made again', async () => {
  const folder = join(emptyFolder(), 'out');
  const path = join(folder, 'a.run');
  await writeAtomically(path, async (write) => {
    await write('begun '.repeat(100_000));
    rmSync(folder, { recursive: true });
    await write('ended');
  });
  assert.is(readFileSync(path, 'utf8'), `${'begun '.repeat(100_000)}ended`);
  assert.equal(readdirSync(folder), ['a.run']);
});

/** Asserts that the text could not be placed, and is kept where the message says. */
async function isKept(work: Promise<unknown>, path: string, text: string): Promise<void> {
  const error = await errorOf(work);
  assert.is(error.code, 'io');
  const kept = /is kept in (.+)$/.exec(error.message)?.[1];
  assert.ok(error.message.startsWith(`${path}: cannot write`) && kept, error.message);
  assert.ok(error.hint?.includes(dirname(kept)), error.hint);
  assert.is(readFileSync(kept, 'utf8'), text);
  assert.is(statSync(dirname(kept)).mode & 0o777, 0o700);
  rmSync(dirname(kept), { recursive: true });
}

test('where the folder cannot be made again, the text is kept elsewhere', async () => {
  const folder = join(emptyFolder(), 'out');
  const path = join(folder, 'a.run');
  const written = writeAtomically(path, async (write) => {
    await write('begun ');
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'a file of this name');
    await write('ended');
  });
  await isKept(written, path, 'begun ended');
  assert.is(readFileSync(folder, 'utf8'), 'a file of this name');
});

/** Whether this process may mount a small disk, in a mount namespace that ends with the process. */
const mounts = spawnSync('unshare', ['--mount', '--map-root-user', 'true']).status === 0;
if (!mounts) console.log('left out: a full disk, since this machine lets nobody make a mount namespace');
else {
  test('a disk that becomes full: the text is kept elsewhere, or placed if there is room at the end', () => {
    const disk = emptyFolder();
    const script = join(emptyFolder(), 'full.mjs');
    const source = (name: string) => JSON.stringify(new URL(`../../src/io/${name}.ts`, import.meta.url).href);
    writeFileSync(
      script,
      `import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
      import { writeAtomically } from ${source('atomic-write')};
      import { assertWritable } from ${source('output-file')};
      process.chdir(${JSON.stringify(disk)});
      const fill = (roomAtEnd) =>
        writeAtomically('a.run', async (write) => {
          await write('x'.repeat(100_000));
          writeFileSync('other', 'o'.repeat(120_000));
          await write('y'.repeat(100_000));
          if (roomAtEnd) rmSync('other');
        });
      const error = await fill(false).catch((error) => error);
      const kept = readFileSync(error.kept, 'utf8');
      const left = readdirSync('.');
      const early = await assertWritable('a.run', 200_000).catch((error) => error);
      rmSync('other');
      await fill(true);
      const placed = readFileSync('a.run', 'utf8');
      console.log(JSON.stringify([error.message, error.kept, kept, left, early.message, placed, readdirSync('.')]));`,
    );
    const shell = `mount -t tmpfs -o size=256k none ${disk} && ${process.execPath} --import ${LOADER} ${script}`;
    const { stdout, stderr } = spawnSync('unshare', ['--mount', '--map-root-user', 'sh', '-c', shell], {
      env: { ...process.env, XDG_CACHE_HOME: emptyFolder() },
      encoding: 'utf8',
    });
    assert.is(stderr, '');
    const [message, kept, keptText, left, early, placed, all] = JSON.parse(stdout) as string[];
    const text = 'x'.repeat(100_000) + 'y'.repeat(100_000);
    assert.is(message, `a.run: cannot write: no space left on the device; the complete text is kept in ${kept}`);
    assert.is(keptText, text);
    assert.equal(left, ['other']);
    assert.is(early, 'a.run: cannot write: no space left on the device');
    assert.is(placed, text);
    assert.equal(all, ['a.run']);
  });
}

test('a name that is too long is refused at once; the longest one is written', async () => {
  const folder = emptyFolder();
  const longest = join(folder, 'n'.repeat(255));
  await assertWritable(longest);
  await writeText(longest, 'text');
  assert.equal(readdirSync(folder), ['n'.repeat(255)]);
  for (const path of [`${longest}n`, join(folder, 'new', 'n'.repeat(256))]) {
    const error = await errorOf(assertWritable(path));
    assert.is(error.code, 'io');
    assert.match(error.message, /name is too long/);
  }
});

test('a file that is planted under the name of a temporary one is never written', async () => {
  const folder = emptyFolder();
  const victim = join(emptyFolder(), 'victim');
  writeFileSync(victim, 'precious');
  const path = join(folder, 'a.run');
  await writeAtomically(path, async (write) => {
    await write('x'.repeat(100_000));
    const [temporary] = readdirSync(folder);
    rmSync(join(folder, temporary!));
    symlinkSync(victim, join(folder, temporary!));
    await write('y'.repeat(100_000));
  }).catch(() => undefined);
  assert.is(readFileSync(victim, 'utf8'), 'precious');
});

test.run();
