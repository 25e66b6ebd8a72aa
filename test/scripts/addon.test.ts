import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inBuiltCheckout, needs, REQUIREMENTS, TORCH_REQUIREMENTS } from './built-checkout.js';
import { writeFiles } from '../support/files.js';
import { complaintOf, inCheckout } from './support.js';

const test = suite('when the addon is built');
type Addon = typeof import('../../scripts/lib/addon.mjs');
type CMake = typeof import('../../scripts/lib/cmake.mjs');

/**
 * `isBuilt` tells whether set-up finds nothing to do. Where it does, it asks for a compiler: there is none on the PATH,
 * which it says before anything is built.
 */
function withoutCompiler(work: (folder: string, isBuilt: () => Promise<boolean>) => Promise<void>): Promise<void> {
  return inBuiltCheckout({}, async (folder, load) => {
    const { areAddonsBuilt, ensureAddons } = await load<Addon>('scripts/lib/addon.mjs');
    const { PATH, CXX } = process.env;
    process.env['PATH'] = folder;
    delete process.env['CXX'];
    try {
      await work(folder, async () => {
        const built = areAddonsBuilt(false);
        if (built) assert.is(await ensureAddons(false), false);
        else
          assert.match(await complaintOf(() => ensureAddons(false)), /^to build the native engine, this machine lacks/);
        return built;
      });
    } finally {
      process.env['PATH'] = PATH;
      if (CXX !== undefined) process.env['CXX'] = CXX;
    }
  });
}

test('what is built and unchanged is left alone; a source that has changed is not', () =>
  withoutCompiler(async (folder, isBuilt) => {
    assert.is(await isBuilt(), true);
    writeFileSync(join(folder, 'native/addon.cc'), 'int x;');
    assert.is(await isBuilt(), false);
  }));

test('a checkout that was copied with its build is built again', () =>
  withoutCompiler(async (folder, isBuilt) => {
    const stamp = join(folder, 'build/stamps/addon.json');
    writeFileSync(stamp, readFileSync(stamp, 'utf8').replace(`"root": "${folder}"`, '"root": "/elsewhere"'));
    assert.is(await isBuilt(), false);
  }));

test('a quick build is enough alone, and not beside the addon for LibTorch', () =>
  withoutCompiler(async (folder, isBuilt) => {
    const stamp = join(folder, 'build/stamps/addon.json');
    writeFileSync(stamp, JSON.stringify({ ...(JSON.parse(readFileSync(stamp, 'utf8')) as object), quick: true }));
    assert.is(await isBuilt(), false);
    rmSync(join(folder, 'build/stamps/torch-addon.json'));
    assert.is(await isBuilt(), true);
  }));

test('where RANK_DISTILLM_BINDING names an engine none is built', () =>
  withoutCompiler(async (folder, isBuilt) => {
    rmSync(join(folder, 'build/stamps'), { recursive: true });
    assert.is(await isBuilt(), false);
    process.env['RANK_DISTILLM_BINDING'] = join(folder, 'build/Release/rank_distillm.node');
    try {
      assert.is(await isBuilt(), true);
    } finally {
      delete process.env['RANK_DISTILLM_BINDING'];
    }
  }));

test('a library that is lost beside the addon is linked again', () =>
  withoutCompiler(async (folder, isBuilt) => {
    rmSync(join(folder, 'build/Release/libc10.so'));
    assert.is(await isBuilt(), false);
  }));

test('an addon that this machine cannot run is built again, afresh', () =>
  withoutCompiler(async (folder, isBuilt) => {
    for (const unmet of [{ glibc: '9.99' }, { cpuFlags: ['avx9000'] }, { arch: 'riscv64' }]) {
      await writeFiles(folder, { [REQUIREMENTS]: JSON.stringify({ ...needs, ...unmet }), 'build/CMakeCache.txt': '' });
      assert.is(await isBuilt(), false);
      assert.not(existsSync(join(folder, 'build/CMakeCache.txt')));
    }
    await writeFiles(folder, { [REQUIREMENTS]: JSON.stringify(needs) });
    assert.is(await isBuilt(), true);
    await writeFiles(folder, { [TORCH_REQUIREMENTS]: JSON.stringify({ ...needs, glibc: '9.99' }) });
    assert.is(await isBuilt(), false);
    for (const text of ['{ "platform": "li', 'null', '{}']) {
      await writeFiles(folder, { [REQUIREMENTS]: text, 'build/CMakeCache.txt': '' });
      assert.is(await isBuilt(), false);
      assert.ok(existsSync(join(folder, 'build/CMakeCache.txt')));
    }
  }));

test("CMake's cache of another checkout or another LibTorch is dropped", () =>
  inCheckout({}, async (folder, load) => {
    const { dropStaleCache } = await load<CMake>('scripts/lib/cmake.mjs');
    const out = join(folder, 'build/cuda');
    mkdirSync(out, { recursive: true });
    const isKept = (home: string, torch: string): boolean => {
      const cache = `RANK_DISTILLM_TORCH:UNINITIALIZED=${torch}\nCMAKE_HOME_DIRECTORY:INTERNAL=${home}\n`;
      writeFileSync(join(out, 'CMakeCache.txt'), cache);
      dropStaleCache(out, '/torch');
      return existsSync(join(out, 'CMakeCache.txt'));
    };
    assert.is(isKept(folder, '/torch'), true);
    assert.is(isKept('/elsewhere', '/torch'), false);
    assert.is(isKept(folder, '/other-torch'), false);
    assert.is(isKept(folder, ''), true); // it was built for the CPU alone
  }));

test('without LibTorch, the engine for the CPU counts as all until the other one is asked for', () =>
  withoutCompiler(async (folder, isBuilt) => {
    rmSync(join(folder, 'build/stamps/torch-addon.json'));
    rmSync(join(folder, 'libtorch'), { recursive: true });
    delete process.env['RANK_DISTILLM_LIBTORCH'];
    assert.is(await isBuilt(), true);
  }));

test('clang-tidy gets the compiled sources, and is not left with none', () =>
  inCheckout({}, async (folder, load) => {
    const { compiledSources } = await load<CMake>('scripts/lib/cmake.mjs');
    const sources = ['native/addon.cc', 'native/cuda/x.cc'].map((name) => join(folder, name));
    const write = (file: string): Promise<void> =>
      writeFiles(folder, { 'build/compile_commands.json': JSON.stringify([{ file }]) });
    await write(sources[0]!);
    assert.equal(compiledSources(sources), [sources[0]]);
    await write('/elsewhere/native/addon.cc');
    assert.match(await complaintOf(() => compiledSources(sources)), /names no source of this checkout/);
  }));

test.run();
