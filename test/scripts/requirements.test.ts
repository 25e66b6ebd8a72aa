import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cpuFlagsOf, newest, readElf } from '../../scripts/lib/requirements.mjs';
import { inFolder } from '../support/files.js';

const test = suite('what a binary needs');

/** A binary of somebody else with known needs: the one of the npm package `tokenizers`, as readelf -d -V shows it. */
const tokenizers = fileURLToPath(
  new URL('../../node_modules/tokenizers/tokenizers.linux-x64-gnu.node', import.meta.url),
);

test('libraries and symbol versions are read as readelf shows them', () => {
  const { needed, versions } = readElf(tokenizers);
  assert.equal(needed, [
    'libdl.so.2',
    'libstdc++.so.6',
    'libgcc_s.so.1',
    'librt.so.1',
    'libpthread.so.0',
    'libm.so.6',
    'libc.so.6',
    'ld-linux-x86-64.so.2',
  ]);
  assert.is(newest(versions, 'GLIBC'), '2.14');
  assert.is(newest(versions, 'GLIBCXX'), '3.4');
});

test('versions are compared by number', () => {
  assert.is(newest(['GLIBC_2.9', 'GLIBC_2.28', 'GLIBCXX_3.4.30', 'GLIBC_PRIVATE'], 'GLIBC'), '2.28');
  assert.is(newest(['GLIBCXX_3.4.9', 'GLIBCXX_3.4.30', 'GLIBCXX_3.4'], 'GLIBCXX'), '3.4.30');
});

test('a file that is no ELF file is named', () =>
  inFolder((folder) => {
    const file = join(folder, 'x.node');
    writeFileSync(file, 'x'.repeat(100));
    assert.throws(() => readElf(file), /x\.node: objdump cannot read it/);
  }));

test('only instructions that every file may use are asked of the CPU', () =>
  inFolder((folder) => {
    const flags = (...commands: string[]) => {
      const file = join(folder, 'compile_commands.json');
      writeFileSync(file, JSON.stringify(commands.map((command) => ({ command }))));
      return cpuFlagsOf(file);
    };
    const base = flags('c++ -O3 -c a.cc');
    assert.not(base.includes('avx2'));
    assert.ok(flags('c++ -mavx2 -c a.cc', 'c++ -march=x86-64-v3 -c b.cc').includes('avx2'));
    assert.equal(flags('c++ -mavx2 -c kernel_avx2.cc', 'c++ -c b.cc'), base);
  }));

test.run();
