import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { download } from '../lib/download.mjs';
import { hashOf } from '../lib/hash.mjs';
import { withLock } from '../lib/lock.mjs';
import { cacheFolder } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';
import { say } from '../lib/say.mjs';
import { checkBuildTools } from '../lib/tools.mjs';
import { editBochs } from './bochs-edits.mjs';

/**
 * Debian stable's source. We build it, because Debian's binary lacks the changes of bochs-edits.mjs, depends on about a
 * hundred desktop libraries, and has a debugger instead of the optimizations below. In Debian unstable's 3.1 binary,
 * 64-bit IDIV is wrong: g++ 16 compiles an aliasing violation in wide_int.cc into a read of an uninitialized variable.
 */
const SOURCE_URL = 'http://deb.debian.org/debian/pool/main/b/bochs/bochs_3.0+dfsg.orig.tar.xz';
const SOURCE_SHA256 = '78f6c73d4a6472d5130a87ab9dc306d02c7c71ed8e25b3a8ef642e2a7acd282b';

const OPTIONS = [
  '--with-nogui',
  '--enable-cpu-level=6',
  '--enable-x86-64',
  '--enable-avx',
  '--enable-evex',
  '--enable-amx',
  '--enable-all-optimizations',
  '--disable-docbook',
  '--disable-gameport',
  '--disable-cdrom',
];
const COMPILER_FLAGS = '-O2 -fno-strict-aliasing';

/** Cache of the emulator's files. */
export const emulatorFolder = () => join(cacheFolder(), 'emulator-3.0');

/** Downloads, patches and builds Bochs once. @returns {Promise<string>} its executable */
export async function ensureBochs() {
  const folder = emulatorFolder();
  const key = hashOf([join(import.meta.dirname, 'bochs-edits.mjs')], [...OPTIONS, COMPILER_FLAGS]).slice(0, 12);
  const executable = join(folder, `bochs-${key}`);
  if (existsSync(executable)) return executable;
  return withLock(join(folder, 'bochs.lock'), async () => {
    if (existsSync(executable)) return executable;
    checkBuildTools();
    mkdirSync(folder, { recursive: true });
    const work = mkdtempSync(join(folder, 'build-'));
    try {
      const archive = join(folder, 'bochs-3.0.tar.xz');
      if (!existsSync(archive)) await download(SOURCE_URL, archive, { sha256: SOURCE_SHA256, label: 'Bochs 3.0' });
      await run('tar', ['-xf', archive, '-C', work, '--strip-components=1'], { what: 'unpacking Bochs' });
      editBochs(work);
      say('building Bochs; this takes minutes, once');
      const env = { ...process.env, CFLAGS: COMPILER_FLAGS, CXXFLAGS: COMPILER_FLAGS };
      await run('nice', ['./configure', ...OPTIONS], { what: 'configuring Bochs', cwd: work, env, quiet: true });
      await run('nice', ['make', '-j2'], { what: 'building Bochs', cwd: work, quiet: true });
      renameSync(join(work, 'bochs'), executable);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    return executable;
  });
}
