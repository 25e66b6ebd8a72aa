import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readElf, REQUIREMENTS, unmetNeeds } from '../../scripts/lib/requirements.mjs';
import { HAS_TORCH } from '../support/devices.js';
import { LOADER } from '../support/programs.js';

const test = suite('loading the native engine');
const tested = process.env['RANK_DISTILLM_BINDING'];
const release = tested ? dirname(tested) : fileURLToPath(new URL('../../build/Release', import.meta.url));
const libraries = HAS_TORCH ? ['libtorch.so', 'libtorch_cpu.so', 'libc10.so', 'libgomp.so.1'] : [];
const requirements = JSON.parse(readFileSync(join(release, 'requirements.json'), 'utf8')) as Record<string, unknown>;
const folder = mkdtempSync(join(tmpdir(), 'rank-distillm-'));
const binary = join(folder, 'rank_distillm.node');
const torchBinary = join(folder, 'rank_distillm_torch.node');

/** Runs `expression` in a process of its own that has the test's binary; prints its value or `code|message|hint`. */
async function outcome(
  named = binary,
  expression = "'loaded ' + binding.loadBinding().info().kernels",
  variables: Record<string, string> = {},
): Promise<string> {
  const { href } = new URL('../../src/io/load-binding.ts', import.meta.url);
  const script = `import * as binding from '${href}';
    try { console.log(${expression}); }
    catch (error) { console.log([error.code, error.message, error.hint].join('|')); }`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', LOADER, '--input-type=module', '-e', script],
    {
      env: { ...process.env, RANK_DISTILLM_BINDING: named, ...variables },
    },
  );
  return stdout;
}

/** A flag of this CPU. */
const [, ownFlag = ''] = /^(?:flags|Features)\s*:\s*(\S+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];

const withTorch = HAS_TORCH
  ? test
  : (name: string): void => console.log(`left out: ${name}, LibTorch's engine is not built`);

const torchOutcome = (): Promise<string> => outcome(binary, "'loaded ' + binding.loadTorchBinding().info().libtorch");

test.before.each(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  copyFileSync(join(release, 'rank_distillm.node'), binary);
  writeFileSync(join(folder, 'requirements.json'), JSON.stringify(requirements));
  if (!HAS_TORCH) return;
  copyFileSync(join(release, 'rank_distillm_torch.node'), torchBinary);
  copyFileSync(join(release, 'requirements-torch.json'), join(folder, 'requirements-torch.json'));
  for (const name of libraries) symlinkSync(join(release, name), join(folder, name));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('the engine for the CPU loads from any folder, and needs only the C library', async () => {
  for (const name of libraries) rmSync(join(folder, name));
  rmSync(torchBinary, { force: true });
  assert.match(await outcome(), /^loaded \w+/);
  const { needed } = readElf(binary);
  assert.equal(
    needed.filter((name) => !/^(libc|libm|libpthread|ld-linux-(x86-64|aarch64))\.so\.\d$/.test(name)),
    [],
  );
});

test('a path that is not absolute is one from the working folder', async () => {
  assert.match(await outcome(relative('.', binary)), /^loaded \w+/);
});

withTorch('the engine for devices is found beside it, with its libraries', async () => {
  assert.match(await torchOutcome(), /^loaded 2\.13\./);
});

test('without the engine for devices, an error says where it was looked for and how to get it', async () => {
  rmSync(torchBinary, { force: true });
  assert.match(
    await torchOutcome(),
    /^native\|the engine for GPUs is not installed: there is no .*rank_distillm_torch\.node, and no package @rank-distillm\/linux-\w+-cuda\|.*RANK_DISTILLM_CUDA=1 npm run setup.*device: cpu/,
  );
  assert.match(await outcome(binary, "binding.listDevices('auto')"), /^\[ 'cpu' \]/);
});

withTorch('LibTorch is loaded only for a device', async () => {
  const mapped = "/libtorch/.test(process.getBuiltinModule('fs').readFileSync('/proc/self/maps', 'utf8'))";
  const emulated = process.env['RANK_DISTILLM_EMULATE_CUDA'];
  delete process.env['RANK_DISTILLM_EMULATE_CUDA'];
  try {
    const after = (call: string): Promise<string> => outcome(binary, `(binding.${call}, ${mapped})`);
    assert.match(await after("listDevices('cpu')"), /^false/);
    assert.match(await after("bindingOf('cpu')"), /^false/);
    assert.match(await after("listDevices('cuda')"), /^true/);
  } finally {
    if (emulated !== undefined) process.env['RANK_DISTILLM_EMULATE_CUDA'] = emulated;
  }
});

test('a glibc that is too old is told before the binary is touched', async () => {
  writeFileSync(join(folder, 'requirements.json'), JSON.stringify({ ...requirements, glibc: '9.99' }));
  writeFileSync(binary, 'never loaded');
  assert.match(await outcome(), /^native\|.*needs glibc 9\.99, this system has 2\.\d+\|.+/);
});

test('CPU flags that are missing are named', async () => {
  writeFileSync(join(folder, 'requirements.json'), JSON.stringify({ ...requirements, cpuFlags: [ownFlag, 'avx9000'] }));
  assert.match(await outcome(), /^native\|.*the CPU lacks avx9000\|.+/);
});

test('requirements that are damaged are told before the binary is touched', async () => {
  writeFileSync(binary, 'never loaded');
  for (const text of ['', '{', 'null', '[]', '{"glibc": 2}', JSON.stringify({ ...requirements, cpuFlags: 'avx2' })]) {
    writeFileSync(join(folder, 'requirements.json'), text);
    assert.match(await outcome(), /^native\|.*requirements\.json does not say what the engine needs\|.*npm run setup/);
  }
});

test('another platform is named', async () => {
  writeFileSync(join(folder, 'requirements.json'), JSON.stringify({ ...requirements, arch: 'riscv64' }));
  assert.match(await outcome(), new RegExp(`^native\\|.*it is for linux riscv64, this is linux ${process.arch}\\|.+`));
});

test('set-up, which cannot import the loader, finds the same lacks', async () => {
  const lacks = [{}, { glibc: '9.99' }, { cpuFlags: [ownFlag, 'avx9000'] }, { arch: 'riscv64' }];
  for (const lack of lacks) {
    writeFileSync(join(folder, 'requirements.json'), JSON.stringify({ ...requirements, ...lack }));
    const [said = '', ...more] = unmetNeeds(folder, REQUIREMENTS)!;
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
  assert.match(await outcome(), /^native\|.*\(GLIBC_[\d.]+\) could not be loaded: .*\|.*npm run setup/);
  if (!HAS_TORCH) return;
  writeFileSync(torchBinary, 'this is no ELF file');
  copyFileSync(join(release, 'rank_distillm.node'), binary);
  assert.match(
    await torchOutcome(),
    /^native\|.*\(LibTorch 2\.13\.\d.*, GLIBCXX_[\d.]+, GLIBC_[\d.]+\) could not be loaded: .*\|.*npm run setup/,
  );
});

withTorch('a missing library is named', async () => {
  rmSync(join(folder, 'libc10.so'));
  assert.match(await torchOutcome(), /^native\|.*libc10\.so.*\|LibTorch was looked for in .*RANK_DISTILLM_CUDA=1/);
});

// The package for GPUs and LibTorch, as they are installed. LibTorch is the one for the CPU that tests are built against,
// under the names of one for CUDA.

const GPU_FOLDER = 'node_modules/@rank-distillm/linux-x64-cuda';

/** Installs the package with an engine for each of these versions, the engine of the tests; none lies beside the other engine. */
function installPackage(...minors: string[]): void {
  rmSync(torchBinary, { force: true });
  for (const name of libraries) rmSync(join(folder, name));
  for (const minor of minors) {
    const place = join(folder, GPU_FOLDER, minor);
    mkdirSync(place, { recursive: true });
    if (HAS_TORCH) copyFileSync(join(release, 'rank_distillm_torch.node'), join(place, 'rank_distillm_torch.node'));
    else writeFileSync(join(place, 'rank_distillm_torch.node'), '');
  }
  writeFileSync(join(folder, GPU_FOLDER, 'package.json'), '{}');
}

/** A LibTorch below the test's folder. */
function libtorch(name: string, version: string, cuda = '13.0'): string {
  const place = join(folder, name);
  mkdirSync(join(place, 'lib'), { recursive: true });
  for (const file of libraries) symlinkSync(join(release, file), join(place, 'lib', file));
  if (!HAS_TORCH) writeFileSync(join(place, 'lib/libtorch_cpu.so'), '');
  if (cuda !== '') {
    if (HAS_TORCH) symlinkSync(join(release, 'libtorch_cpu.so'), join(place, 'lib/libtorch_cuda.so'));
    else writeFileSync(join(place, 'lib/libtorch_cuda.so'), '');
  }
  writeFileSync(
    join(place, 'version.py'),
    `from typing import Optional\n__version__ = '${version}'\ncuda: Optional[str] = ${cuda === '' ? 'None' : `'${cuda}'`}\n`,
  );
  return place;
}

/** As `torchOutcome`, with the package, the cache and the python3 of the test's folder. */
const packagedOutcome = (
  variables: Record<string, string> = {},
  expression = "'loaded ' + binding.loadTorchBinding().info().libtorch",
): Promise<string> =>
  outcome(binary, expression, {
    NODE_PATH: join(folder, 'node_modules'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    PATH: join(folder, 'bin'),
    RANK_DISTILLM_LIBTORCH: '',
    ...variables,
  });

/** A python3 that has a torch in this folder. */
function python(torch: string): void {
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/python3'), `#!/bin/sh\necho '${torch}'\n`, { mode: 0o755 });
}

const FOUND = '(({ libtorch: { folder, why } }) => folder + "|" + why)(binding.findTorchEngine())';

test('the package for GPUs takes the LibTorch that is named, else that of Python, else that of the cache', async () => {
  installPackage('2.12', '2.13');
  const cached = libtorch('cache/rank-distillm/torch-2.13.0-cuda/torch', '2.13.0');
  assert.is((await packagedOutcome({}, FOUND)).trim(), `${cached}|install-libtorch put it into the cache`);
  const python312 = libtorch('python', '2.12.1+cu130');
  python(python312);
  assert.is((await packagedOutcome({}, FOUND)).trim(), `${python312}|it is python3's torch`);
  const named = libtorch('named', '2.13.0+cu130', '13.0');
  assert.is(
    (await packagedOutcome({ RANK_DISTILLM_LIBTORCH: named }, FOUND)).trim(),
    `${named}|RANK_DISTILLM_LIBTORCH names it`,
  );
});

test("a torch of Python that does not fit is passed over for the cache's", async () => {
  installPackage('2.13');
  python(libtorch('python', '2.9.0+cu130'));
  const cached = libtorch('cache/rank-distillm/torch-2.13.0-cuda/torch', '2.13.0');
  assert.is((await packagedOutcome({}, FOUND)).trim(), `${cached}|install-libtorch put it into the cache`);
});

test('a LibTorch that does not fit is one error that says what is needed', async () => {
  installPackage('2.11', '2.12', '2.13');
  const wrong: [version: string, cuda: string, words: RegExp][] = [
    ['2.10.0+cu130', '13.0', /its version is 2\.10\.0\+cu130, needed is LibTorch 2\.11, 2\.12, 2\.13 for CUDA 13/],
    ['2.14.0', '13.0', /its version is 2\.14\.0, needed/],
    ['2.13.0+cpu', '', /its version is 2\.13\.0\+cpu, without CUDA, needed/],
    ['2.12.1+cu128', '12.8', /its version is 2\.12\.1\+cu128, for CUDA 12, needed/],
  ];
  for (const [i, [version, cuda, words]] of wrong.entries()) {
    const said = await packagedOutcome({ RANK_DISTILLM_LIBTORCH: libtorch(`wrong-${i}`, version, cuda) });
    assert.match(said, words);
    assert.match(said, /^native\|RANK_DISTILLM_LIBTORCH=.*\|.*install-libtorch --cuda/);
  }
  assert.match(
    await packagedOutcome({ RANK_DISTILLM_LIBTORCH: join(folder, 'nowhere') }),
    /there is no such folder, needed/,
  );
  assert.match(await packagedOutcome({ RANK_DISTILLM_LIBTORCH: folder }), /it has no lib\/libtorch_cpu\.so, needed/);
  assert.match(
    await packagedOutcome(),
    /^native\|no LibTorch 2\.11, 2\.12, 2\.13 for CUDA 13: python3 has no torch; .*\/cache\/rank-distillm has none\|.*install-libtorch --cuda downloads it/,
  );
});

withTorch('the engine of the package runs with the LibTorch that was found', async () => {
  installPackage('2.13');
  const place = libtorch('named', '2.13.0+cu130');
  assert.match(await packagedOutcome({ RANK_DISTILLM_LIBTORCH: place }), /^loaded 2\.13\./);
});

withTorch('a LibTorch whose libraries are missing says which', async () => {
  installPackage('2.13');
  const place = libtorch('named', '2.13.0+cu130');
  rmSync(join(place, 'lib/libc10.so'));
  assert.match(
    await packagedOutcome({ RANK_DISTILLM_LIBTORCH: place }),
    /^native\|LibTorch 2\.13\.0\+cu130 in .*named could not be loaded: libc10\.so.*\|.*install-libtorch --cuda/,
  );
});

test.run();
