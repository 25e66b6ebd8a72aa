import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findLibtorch, whatIsWrong } from '../../scripts/lib/libtorch.mjs';
import { inFolder } from '../support/files.js';
import { complaintOf } from './support.js';

const test = suite('finding LibTorch');

/** A folder that looks like LibTorch from outside. */
function pretend(folder: string, files: Record<string, string>): string {
  const all = {
    'lib/libtorch_cpu.so': '',
    'lib/libc10.so': '',
    'include/ATen/ATen.h': '',
    'share/cmake/Torch/TorchConfig.cmake': '',
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const versionPy = (version: string) => `from typing import Optional\n__version__ = '${version}'\ncuda = None\n`;

/** Runs with these variables and no others that the search looks at. */
async function withVariables<T>(variables: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const names = ['RANK_DISTILLM_LIBTORCH', 'LIBTORCH', 'XDG_CACHE_HOME'];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) {
      delete process.env[name];
      if (value !== undefined) process.env[name] = value;
    }
  }
}

test('the archive and the Python package of our release are both LibTorch', () =>
  inFolder((folder) => {
    assert.is(whatIsWrong(pretend(join(folder, 'zip'), { 'build-version': '2.13.0+cpu\n' })), undefined);
    assert.is(whatIsWrong(pretend(join(folder, 'torch'), { 'version.py': versionPy('2.13.0+cpu') })), undefined);
    assert.is(whatIsWrong(pretend(join(folder, 'own'), { 'version.py': versionPy('2.13.0') })), undefined);
  }));

test('other releases, CUDA builds and half folders are not', () =>
  inFolder((folder) => {
    const wrong = (name: string, files: Record<string, string>) =>
      whatIsWrong(pretend(join(folder, name), files)) ?? '';
    assert.match(wrong('old', { 'version.py': versionPy('2.12.1+cpu') }), /its version is 2\.12\.1\+cpu/);
    assert.match(wrong('longer', { 'version.py': versionPy('2.13.01') }), /its version is 2\.13\.01/);
    assert.match(wrong('cuda', { 'version.py': versionPy('2.13.0+cu130') }), /its version is 2\.13\.0\+cu130/);
    assert.match(wrong('pypi', { 'version.py': versionPy('2.13.0'), 'lib/libtorch_cuda.so': '' }), /built for CUDA/);
    assert.match(wrong('nameless', {}), /does not state its version/);
    assert.match(whatIsWrong(folder) ?? '', /it has no lib\/libtorch_cpu\.so/);
  }));

test('the environment goes before the cache, our own variable first', () =>
  inFolder(async (folder) => {
    const version = { 'build-version': '2.13.0+cpu' };
    const [ours, theirs] = [pretend(join(folder, 'ours'), version), pretend(join(folder, 'theirs'), version)];
    const cached = pretend(join(folder, 'rank-distillm/libtorch-2.13.0-cpu'), version);
    const find = (variables: Record<string, string>) =>
      withVariables({ XDG_CACHE_HOME: folder, ...variables }, () => findLibtorch(undefined));
    assert.is(await find({ RANK_DISTILLM_LIBTORCH: ours, LIBTORCH: theirs }), ours);
    assert.is(await find({ LIBTORCH: theirs }), theirs);
    assert.is(await find({}), cached);
  }));

test('a folder that the environment names and that cannot be used is an error, not passed over', () =>
  inFolder(async (folder) => {
    const complaint = await withVariables({ RANK_DISTILLM_LIBTORCH: join(folder, 'nothing') }, () =>
      complaintOf(() => findLibtorch(undefined)),
    );
    assert.match(
      complaint,
      /RANK_DISTILLM_LIBTORCH=.*nothing is not usable: it has no lib\/libtorch_cpu\.so\n.*2\.13\.0/,
    );
  }));

test.run();
