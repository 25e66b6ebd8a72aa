import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { pathBeside } from '../../src/io/leftovers.js';
import { healFolder, healFoldersIn, removeFolder, replaceFolder } from '../../src/io/replace-folder.js';
import { FILES } from './replace-folder-child.js';
import { LOADER } from '../support/programs.js';

const test = suite('replacing a folder');

const child = fileURLToPath(new URL('replace-folder-child.ts', import.meta.url));
const KILLS = 30;

const temporary: string[] = [];
process.on('exit', () => temporary.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-replace-'));
  temporary.push(folder);
  return folder;
}

const fill = (text: string) => async (folder: string) => {
  await mkdir(join(folder, 'below'));
  for (const file of FILES) await writeFile(join(folder, file), text);
};

const contentOf = (folder: string) => FILES.map((file) => readFileSync(join(folder, file), 'utf8'));

async function errorOf(call: Promise<unknown>): Promise<RankDistillmError> {
  try {
    await call;
  } catch (error) {
    assert.instance(error, RankDistillmError);
    return error as RankDistillmError;
  }
  throw new Error('expected an error');
}

/** This machine and a random part, as names of leftovers end. */
const end = `${/-([0-9a-f]{8})-[0-9a-f]{8}$/.exec(pathBeside('last', 'new'))![1]}-0123abcd`;

/** Id of a process that is no more, and a start time. */
function deadProcess(): string {
  return `${spawnSync('true').pid}-1`;
}

/** Id and start time of this process, as /proc tells them to a program that is not ours. */
function thisProcess(): string {
  const start = execFileSync('awk', ['{ print $22 }', `/proc/${process.pid}/stat`], { encoding: 'utf8' }).trim();
  return `${process.pid}-${start}`;
}

test('a new folder, then another in its place; nothing else is left', async () => {
  const parent = emptyFolder();
  const target = join(parent, 'last');
  for (const text of ['one', 'two']) {
    await replaceFolder(target, fill(text));
    assert.equal(contentOf(target), [text, text, text]);
    assert.equal(readdirSync(parent), ['last']);
  }
});

test('whoever opened the old folder keeps it', async () => {
  const target = join(emptyFolder(), 'last');
  await replaceFolder(target, fill('one'));
  const { ino } = statSync(target);
  await replaceFolder(target, async (folder) => {
    assert.is(statSync(target).ino, ino);
    assert.equal(contentOf(target), ['one', 'one', 'one']);
    await fill('two')(folder);
  });
  assert.not.equal(statSync(target).ino, ino);
});

test('an error while writing leaves what was there, and its message names the target', async () => {
  const parent = emptyFolder();
  const target = join(parent, 'last');
  await replaceFolder(target, fill('one'));
  const hint = 'Do this.';
  const failing = replaceFolder(target, async (folder) => {
    await writeFile(join(folder, 'a'), 'half');
    throw new RankDistillmError('bad_input', `${join(folder, 'a')}: is wrong`, { hint });
  });
  const error = await errorOf(failing);
  assert.is(error.message, `${join(target, 'a')}: is wrong`);
  assert.is(error.hint, hint);
  assert.equal(readdirSync(parent), ['last']);
  assert.equal(contentOf(target), ['one', 'one', 'one']);
  await replaceFolder(target, () => Promise.reject(new TypeError('a mistake'))).then(
    () => assert.unreachable(),
    (cause: unknown) => assert.instance(cause, TypeError),
  );
});

test('a parent that is missing, or removed while the folder is written, is one error and not made again', async () => {
  const parent = join(emptyFolder(), 'parent');
  const target = join(parent, 'last');
  const missing = await errorOf(replaceFolder(target, fill('one')));
  assert.is(missing.code, 'io');
  assert.is(missing.message, `${target}: cannot write: the folder does not exist`);
  assert.ok(missing.hint);
  mkdirSync(parent);
  const removed = replaceFolder(target, async (folder) => {
    await fill('one')(folder);
    rmSync(parent, { recursive: true });
  });
  assert.is((await errorOf(removed)).code, 'io');
  mkdirSync(parent);
  const madeAgain = replaceFolder(target, async (folder) => {
    await writeFile(join(folder, 'a'), 'first');
    rmSync(parent, { recursive: true });
    writeFileSync(join(parent, '..', 'keeps-the-inode'), '');
    mkdirSync(folder, { recursive: true });
    await writeFile(join(folder, 'b'), 'second');
  });
  assert.match((await errorOf(madeAgain)).message, /last: cannot write: the folder was deleted during the write/);
  assert.equal(readdirSync(parent), []);
});

test('a file in the place is not taken away', async () => {
  const parent = emptyFolder();
  writeFileSync(join(parent, 'last'), 'mine');
  assert.match((await errorOf(replaceFolder(join(parent, 'last'), fill('one')))).message, /is a file, not a folder/);
  assert.is(readFileSync(join(parent, 'last'), 'utf8'), 'mine');
});

test('what dead processes left is removed, what living ones write is not', async () => {
  const parent = emptyFolder();
  const ours = `.last.new-${thisProcess()}-${end}`;
  // the same id, but of a process that started at another time: an id that is used again
  const reused = `.last.new-${process.pid}-1-${end}`;
  const other = ['new', 'gone'].map((role) => `.first.${role}-${deadProcess()}-${end}`);
  const lost = `.first.old-${deadProcess()}-${end}`;
  const dead = ['new', 'old', 'gone'].map((role) => `.last.${role}-${deadProcess()}-${end}`);
  for (const name of [ours, reused, ...other, lost, ...dead, '.last.mine']) mkdirSync(join(parent, name));
  await replaceFolder(join(parent, 'last'), fill('one'));
  assert.equal(readdirSync(parent).sort(), [ours, '.last.mine', 'first', 'last'].sort());
});

test('a process killed between the two renames: the old folder is put back', async () => {
  const parent = emptyFolder();
  const target = join(parent, 'last');
  await replaceFolder(target, fill('one'));
  renameSync(target, join(parent, `.last.old-${deadProcess()}-${end}`));
  mkdirSync(join(parent, `.last.new-${deadProcess()}-${end}`));
  await healFolder(target);
  assert.equal(contentOf(target), ['one', 'one', 'one']);
  renameSync(target, join(parent, `.last.old-${deadProcess()}-${end}`));
  await healFoldersIn(parent);
  assert.equal(contentOf(target), ['one', 'one', 'one']);
  renameSync(target, join(parent, `.last.old-${deadProcess()}-${end}`));
  await replaceFolder(target, async () => assert.equal(contentOf(target), ['one', 'one', 'one']));
  assert.equal(readdirSync(parent), ['last']);
});

test('a folder is removed; one that is not there is no error', async () => {
  const parent = emptyFolder();
  await removeFolder(join(parent, 'last'));
  await replaceFolder(join(parent, 'last'), fill('one'));
  await removeFolder(join(parent, 'last'));
  assert.equal(readdirSync(parent), []);
});

test('a reader waits for a living process that is between the two renames', async () => {
  const parent = emptyFolder();
  const target = join(parent, 'last');
  mkdirSync(join(parent, `.last.old-${thisProcess()}-${end}`));
  const healed = healFolder(target);
  setTimeout(() => mkdirSync(target), 50);
  await healed;
  assert.ok(existsSync(target));
});

test('healing does nothing where there is nothing to heal', async () => {
  const parent = emptyFolder();
  await healFolder(join(parent, 'last'));
  await healFolder(join(parent, 'missing', 'last'));
  await healFoldersIn(join(parent, 'missing'));
  assert.equal(readdirSync(parent), []);
});

test(`killed at ${KILLS} random moments, the folder is whole each time and not older than the last one told`, async () => {
  const parent = emptyFolder();
  const target = join(parent, 'last');
  let told = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const writer = spawn(process.execPath, ['--import', LOADER, child, target, String(told + 1)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(writer, 'close');
    writer.stdout.on('data', (chunk: Buffer) => (told = Number(chunk.toString().trim().split('\n').at(-1))));
    await once(writer.stdout, 'data');
    await sleep(Math.random() * 30);
    writer.kill('SIGKILL');
    await closed;
    await healFolder(target);
    const content = contentOf(target);
    const numbers = new Set(content.map(Number.parseFloat));
    assert.is(numbers.size, 1, [...numbers].join());
    assert.is(new Set(content.map((text) => text.length)).size, 1);
    assert.ok([told, told + 1].includes([...numbers][0]!), `told ${told}, found ${[...numbers][0]}`);
  }
  await replaceFolder(target, fill('end'));
  assert.equal(readdirSync(parent), ['last']);
});

/** A file system of 1 MiB, where this process may make one: a tmpfs in a mount namespace of its own. */
const fullDisk = spawnSync('unshare', ['--mount', '--map-root-user', 'true']).status === 0;
if (!fullDisk) console.log('left out: a full disk, since this machine lets nobody make a mount namespace');
else {
  test('a full disk is one error, and the old folder stays', () => {
    const parent = emptyFolder();
    const program = `
      import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
      import { writeFile } from 'node:fs/promises';
      import { join } from 'node:path';
      import { replaceFolder } from ${JSON.stringify(fileURLToPath(new URL('../../src/io/replace-folder.ts', import.meta.url)))};
      const target = join(${JSON.stringify(parent)}, 'last');
      await replaceFolder(target, (folder) => writeFile(join(folder, 'a'), 'x'.repeat(600_000)));
      const error = await replaceFolder(target, (folder) => writeFile(join(folder, 'a'), 'y'.repeat(600_000))).catch((e) => e);
      const found = readFileSync(join(target, 'a'), 'utf8');
      console.log(JSON.stringify([error.code, error.message, readdirSync(${JSON.stringify(parent)}), found[0], found.length]));`;
    const script = join(emptyFolder(), 'full.mjs');
    writeFileSync(script, program);
    const shell = `mount -t tmpfs -o size=1m none ${parent} && ${process.execPath} --import ${LOADER} ${script}`;
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const output = execFileSync('unshare', ['--mount', '--map-root-user', 'sh', '-c', shell], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(JSON.parse(output), [
      'io',
      `${join(parent, 'last')}: cannot write: no space left on the device`,
      ['last'],
      'x',
      600_000,
    ]);
  });
}

test.run();
