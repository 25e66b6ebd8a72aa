import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { complaintOf, inCheckout, writeFiles } from './support.js';

const test = suite('when the addon is built');
type Addon = typeof import('../../scripts/lib/addon.mjs');
type Stamp = typeof import('../../scripts/lib/stamp.mjs');
type Hash = typeof import('../../scripts/lib/hash.mjs');
type Cache = typeof import('../../scripts/lib/cmake-cache.mjs');
type Sources = typeof import('../../scripts/lib/compiled-sources.mjs');

const needs = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../build/Release/requirements.json', import.meta.url)), 'utf8'),
) as Record<string, unknown>;
const REQUIREMENTS = 'build/Release/requirements.json';
const LIBTORCH = {
  'libtorch/lib/libtorch_cpu.so': '',
  'libtorch/lib/libc10.so': '',
  'libtorch/include/ATen/ATen.h': '',
  'libtorch/share/cmake/Torch/TorchConfig.cmake': '',
  'libtorch/build-version': '2.13.0+cpu',
};
const CHECKOUT = {
  ...LIBTORCH,
  'CMakeLists.txt': '',
  'native/addon.cc': '',
  'build/Release/rank_distillm.node': 'x',
  'build/Release/libc10.so': '',
  [REQUIREMENTS]: JSON.stringify(needs),
};

/**
 * A checkout with a stamp as a build of it would leave; `isBuilt` tells whether set-up finds nothing to do. Where it does,
 * it asks for a compiler: there is none on its PATH, which says so before anything is built.
 */
function inBuiltCheckout(work: (folder: string, isBuilt: () => Promise<boolean>) => Promise<void>): Promise<void> {
  return inCheckout(CHECKOUT, async (folder, load) => {
    const { ensureAddon, ADDON_NAME } = await load<Addon>('scripts/lib/addon.mjs');
    const { writeStamp, fingerprint } = await load<Stamp>('scripts/lib/stamp.mjs');
    const { hashOf } = await load<Hash>('scripts/lib/hash.mjs');
    const at = (path: string): string => join(folder, path);
    const inputs = hashOf([at('CMakeLists.txt'), at('native/addon.cc'), at('scripts/lib/requirements.mjs')]);
    const output = fingerprint(at(`build/Release/${ADDON_NAME}`));
    const libtorch = at('libtorch');
    writeStamp('addon', { root: folder, inputs, libtorch, cuda: false, libraries: ['libc10.so'], output });
    const names = ['PATH', 'CXX', 'RANK_DISTILLM_LIBTORCH', 'RANK_DISTILLM_CUDA'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) delete process.env[name];
    Object.assign(process.env, { PATH: folder, RANK_DISTILLM_LIBTORCH: libtorch });
    try {
      await work(folder, async () => {
        try {
          return !(await ensureAddon());
        } catch (error) {
          assert.match((error as Error).message, /^to build the native engine, this machine lacks/);
          return false;
        }
      });
    } finally {
      for (const [name, value] of before) {
        delete process.env[name];
        if (value !== undefined) process.env[name] = value;
      }
    }
  });
}

test('what is built and unchanged is left alone; a source that has changed is not', () =>
  inBuiltCheckout(async (folder, isBuilt) => {
    assert.is(await isBuilt(), true);
    writeFileSync(join(folder, 'native/addon.cc'), 'int x;');
    assert.is(await isBuilt(), false);
  }));

test('a checkout that was copied with its build is built again', () =>
  inBuiltCheckout(async (folder, isBuilt) => {
    const stamp = join(folder, 'build/stamps/addon.json');
    writeFileSync(stamp, readFileSync(stamp, 'utf8').replace(`"root": "${folder}"`, '"root": "/elsewhere"'));
    assert.is(await isBuilt(), false);
  }));

test('a library that is lost beside the addon is linked again', () =>
  inBuiltCheckout(async (folder, isBuilt) => {
    rmSync(join(folder, 'build/Release/libc10.so'));
    assert.is(await isBuilt(), false);
  }));

test('an addon that this machine cannot run is built again, afresh', () =>
  inBuiltCheckout(async (folder, isBuilt) => {
    for (const unmet of [{ glibc: '9.99' }, { cpuFlags: ['avx9000'] }, { arch: 'riscv64' }]) {
      writeFiles(folder, { [REQUIREMENTS]: JSON.stringify({ ...needs, ...unmet }), 'build/CMakeCache.txt': '' });
      assert.is(await isBuilt(), false);
      assert.not(existsSync(join(folder, 'build/CMakeCache.txt')));
    }
    for (const text of ['{ "platform": "li', 'null', '{}']) {
      writeFiles(folder, { [REQUIREMENTS]: text, 'build/CMakeCache.txt': '' });
      assert.is(await isBuilt(), false);
      assert.ok(existsSync(join(folder, 'build/CMakeCache.txt')));
    }
  }));

test("CMake's cache of another checkout or another LibTorch is dropped", () =>
  inCheckout({}, async (folder, load) => {
    const { dropStaleCache } = await load<Cache>('scripts/lib/cmake-cache.mjs');
    const out = join(folder, 'build/cuda');
    mkdirSync(out, { recursive: true });
    const isKept = (home: string, torch: string): boolean => {
      const cache = `RANK_DISTILLM_TORCH:UNINITIALIZED=${torch}\nCMAKE_HOME_DIRECTORY:INTERNAL=${home}\n`;
      writeFileSync(join(out, 'CMakeCache.txt'), cache);
      dropStaleCache(out, ['RANK_DISTILLM_TORCH=/torch']);
      return existsSync(join(out, 'CMakeCache.txt'));
    };
    assert.is(isKept(folder, '/torch'), true);
    assert.is(isKept('/elsewhere', '/torch'), false);
    assert.is(isKept(folder, '/other-torch'), false);
  }));

test('clang-tidy gets the compiled sources, and is not left with none', () =>
  inCheckout({}, async (folder, load) => {
    const { compiledSources } = await load<Sources>('scripts/lib/compiled-sources.mjs');
    const sources = ['native/addon.cc', 'native/cuda/x.cc'].map((name) => join(folder, name));
    const write = (file: string): void =>
      writeFiles(folder, { 'build/compile_commands.json': JSON.stringify([{ file }]) });
    write(sources[0]!);
    assert.equal(compiledSources(sources), [sources[0]]);
    write('/elsewhere/native/addon.cc');
    assert.match(
      await complaintOf(() => Promise.resolve(compiledSources(sources))),
      /names no source of this checkout/,
    );
  }));

test.run();
