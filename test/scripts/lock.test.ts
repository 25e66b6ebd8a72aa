import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withLock } from '../../scripts/lib/lock.mjs';
import { inFolder } from '../support/files.js';

const test = suite('lock');

/** A process of its own that holds the lock, or whatever the code does with it, once it printed a line. */
async function holding(file: string, code = 'await new Promise(() => setInterval(() => {}, 1000));') {
  const lib = new URL('../../scripts/lib/', import.meta.url).href;
  const script = `import { withLock } from '${lib}lock.mjs'; import { run } from '${lib}run.mjs';
    import { giveUp } from '${lib}say.mjs'; import { writeFileSync } from 'node:fs';
    try { await withLock(${JSON.stringify(file)}, async () => { console.log('held'); ${code} }); }
    catch (error) { giveUp(error); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  await once(child.stdout, 'data');
  return child;
}

/** Runs `work` with a process that is killed afterwards. */
async function whileHeld(child: ChildProcess, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    child.kill('SIGKILL');
  }
}

/** Tells whether the lock is to be had at once; if not, waiting for it is ended by removing it. */
async function isFree(file: string): Promise<boolean> {
  let free = false;
  const taken = withLock(file, () => Promise.resolve(void (free = true)));
  await new Promise((resolve) => setImmediate(resolve));
  const answer = free;
  rmSync(file, { force: true });
  await taken;
  return answer;
}

test('one at a time, and the file is gone afterwards', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'below', 'x.lock');
    const child = await holding(file);
    await whileHeld(child, async () => {
      assert.match(readFileSync(file, 'utf8'), new RegExp(`^${child.pid} `));
      assert.is(await isFree(file), false);
    });
    await withLock(file, () => Promise.resolve(assert.ok(existsSync(file))));
    assert.not(existsSync(file));
  }));

test('the lock of a killed process is taken over', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'x.lock');
    const child = await holding(file);
    child.kill('SIGKILL');
    await once(child, 'close');
    assert.ok(existsSync(file));
    assert.is(await isFree(file), true);
  }));

test('a process that has the number of a dead owner does not hold its lock, nor do we', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'x.lock');
    const child = await holding(join(folder, 'another.lock'));
    await whileHeld(child, async () => {
      for (const pid of [child.pid, process.pid]) {
        writeFileSync(file, `${pid} 1\n`);
        assert.is(await isFree(file), true);
      }
    });
  }));

test('a file that its owner never wrote is a lock for some seconds only', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'x.lock');
    writeFileSync(file, '');
    assert.is(await isFree(file), false);
    writeFileSync(file, '');
    const before = Date.now() / 1000 - 60;
    utimesSync(file, before, before);
    assert.is(await isFree(file), true);
  }));

test('a lock that cannot be written is not left there', () =>
  inFolder((folder) => {
    const lib = new URL('../../scripts/lib/lock.mjs', import.meta.url).href;
    const file = join(folder, 'x.lock');
    // no file may grow, as on a full disk; the signal that tells so would end the process before the error
    const script = `process.on('SIGXFSZ', () => {}); const { withLock } = await import('${lib}');
      await withLock(${JSON.stringify(file)}, async () => {}).catch((error) => console.log(error.code));`;
    const node = [process.execPath, '--input-type=module', '-e', script];
    const { stdout } = spawnSync('sh', ['-c', 'ulimit -f 0; exec "$@"', 'sh', ...node], { encoding: 'utf8' });
    assert.is(stdout, 'EFBIG\n');
    assert.not(existsSync(file));
  }));

test('who waits is told for which file', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'x.lock');
    const owner = await holding(file);
    await whileHeld(owner, async () => {
      const lib = new URL('../../scripts/lib/lock.mjs', import.meta.url).href;
      const script = `import { withLock } from '${lib}'; await withLock(${JSON.stringify(file)}, async () => {});`;
      const waiting = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      await whileHeld(waiting, async () => {
        const [line] = (await once(waiting.stderr, 'data')) as [Buffer];
        assert.is(
          line.toString(),
          `setup: waiting for another setup (process ${owner.pid}) to finish; it holds ${file}\n`,
        );
      });
    });
  }));

test('a signal ends what was started, leftovers are cleared, and only then the lock is free', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'x.lock');
    const at = (name: string): string => JSON.stringify(join(folder, name));
    // cmake-js, which stands between us and the compiler, hands no signal on: so does this shell
    const program = `sleep 600 & echo $! > "$0"; echo started >&2; wait`;
    const child = await holding(
      file,
      `try { await run('sh', ['-c', ${JSON.stringify(program)}, ${at('pid')}], { what: 'sh' }); }
       finally { writeFileSync(${at('cleared')}, ''); }
       console.log('went on');`,
    );
    const ended = once(child, 'close');
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    await once(child.stderr, 'data');
    child.kill('SIGTERM');
    assert.equal(await ended, [143, null]);
    assert.is(printed, '');
    assert.not(existsSync(`/proc/${readFileSync(join(folder, 'pid'), 'utf8').trim()}/root`));
    assert.ok(existsSync(join(folder, 'cleared')));
    assert.not(existsSync(file));
  }));

test('a signal that comes while no program runs frees the lock as well', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'x.lock');
    for (const [signal, status] of [['SIGTERM', 143] as const, ['SIGINT', 130] as const]) {
      const child = await holding(file);
      const ended = once(child, 'close');
      child.kill(signal);
      assert.equal(await ended, [status, null]);
      assert.not(existsSync(file));
    }
  }));

test.run();
