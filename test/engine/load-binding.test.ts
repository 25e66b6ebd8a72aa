import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unmetNeeds } from '../../scripts/lib/requirements.mjs';
import { LOADER } from '../support/programs.js';

const test = suite('loading the native engine');
const release = fileURLToPath(new URL('../../build/Release', import.meta.url));
const libraries = ['libtorch.so', 'libtorch_cpu.so', 'libc10.so', 'libgomp.so.1'];
const requirements = JSON.parse(readFileSync(join(release, 'requirements.json'), 'utf8')) as Record<string, unknown>;
const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-'));
const binary = join(folder, 'rank_distillm.node');

/** Loads the binary of the test's folder in a process of its own; what it prints is `code|message|hint`. */
async function outcome(named = binary): Promise<string> {
  const { href } = new URL('../../src/engine/load-binding.ts', import.meta.url);
  const script = `import { loadBinding } from '${href}';
    try { console.log('loaded', loadBinding().info().libtorch); }
    catch (error) { console.log([error.code, error.message, error.hint].join('|')); }`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', LOADER, '--input-type=module', '-e', script],
    {
      env: { ...process.env, RANK_DISTILLM_BINDING: named },
    },
  );
  return stdout;
}

test.before.each(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  copyFileSync(join(release, 'rank_distillm.node'), binary);
  writeFileSync(join(folder, 'requirements.json'), JSON.stringify(requirements));
  for (const name of libraries) symlinkSync(join(release, name), join(folder, name));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('a binary with its libraries beside it loads from any folder', async () => {
  assert.match(await outcome(), /^loaded 2\.13\./);
});

test('a path that is not absolute is one from the working folder', async () => {
  assert.match(await outcome(relative('.', binary)), /^loaded 2\.13\./);
});

test('a glibc that is too old is told before the binary is touched', async () => {
  writeFileSync(join(folder, 'requirements.json'), JSON.stringify({ ...requirements, glibc: '9.99' }));
  writeFileSync(binary, 'never loaded');
  assert.match(await outcome(), /^native\|.*needs glibc 9\.99, this system has 2\.\d+\|.+/);
});

test('CPU flags that are missing are named', async () => {
  writeFileSync(
    join(folder, 'requirements.json'),
    JSON.stringify({ ...requirements, cpuFlags: ['sse4_2', 'avx9000'] }),
  );
  assert.match(await outcome(), /^native\|.*the CPU lacks avx9000\|.+/);
});

test('another platform is named', async () => {
  writeFileSync(join(folder, 'requirements.json'), JSON.stringify({ ...requirements, arch: 'riscv64' }));
  assert.match(await outcome(), /^native\|.*it is for linux riscv64, this is linux x64\|.+/);
});

test('set-up, which cannot import the loader, finds the same lacks', async () => {
  const lacks = [{}, { glibc: '9.99' }, { cpuFlags: ['sse4_2', 'avx9000'] }, { arch: 'riscv64' }];
  for (const lack of lacks) {
    writeFileSync(join(folder, 'requirements.json'), JSON.stringify({ ...requirements, ...lack }));
    const [said = '', ...more] = unmetNeeds(folder)!;
    assert.is(more.length, 0);
    const loader = await outcome();
    if (said === '') assert.match(loader, /^loaded/);
    else assert.ok(loader.includes(said), `${loader} lacks "${said}"`);
  }
});

test('a missing binary says what was looked for', async () => {
  rmSync(binary);
  assert.match(await outcome(), /^native\|RANK_DISTILLM_BINDING=.*no such file\|.+/);
});

test('a file that is no binary says what it was built for and what the system said', async () => {
  writeFileSync(binary, 'this is no ELF file');
  assert.match(
    await outcome(),
    /^native\|.*\(LibTorch 2\.13\.\d.*, GLIBC_[\d.]+, GLIBCXX_[\d.]+\) could not be loaded: .*\|.*npm run setup/,
  );
});

test('a missing library is named', async () => {
  rmSync(join(folder, 'libc10.so'));
  assert.match(await outcome(), /^native\|.*libc10\.so.*\|A library is missing beside the binary/);
});

test.run();
