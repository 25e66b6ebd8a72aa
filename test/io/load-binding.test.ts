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
): Promise<string> {
  const { href } = new URL('../../src/io/load-binding.ts', import.meta.url);
  const script = `import * as binding from '${href}';
    try { console.log(${expression}); }
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
    /^native\|the engine for GPUs is not installed: there is no .*rank_distillm_torch\.node\|.*RANK_DISTILLM_CUDA=1 npm run setup.*device: cpu/,
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

test.run();
