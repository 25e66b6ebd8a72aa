// Checks that are too slow for every CI run: the kernels and the engine under sanitizers, CUDA kernels at all sizes, every
// kind of attack in full (a million files for each reader), ten minutes of soak, a run of a million pairs, and a release for
// all platforms, installed and used.
// usage: node scripts/check-full.mjs [sanitized-kernels | address-sanitizer | thread-sanitizer | cuda-kernels | attack | soak | package ...]
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compileAddon } from './lib/addon.mjs';
import { root } from './lib/root.mjs';
import { output, run } from './lib/run.mjs';
import { giveUp, say, SetupError } from './lib/say.mjs';
import { PLATFORMS } from './release/platforms.mjs';

/** The compiler's sanitizer library: a program that was built without sanitizers must preload it. @param {string} name */
function sanitizerLibrary(name) {
  const path = output('c++', [`-print-file-name=${name}.so`])?.trim();
  if (path && existsSync(path)) return path;
  throw new SetupError(`${name}.so was not found`, 'It comes with g++: sudo apt-get install g++');
}

/** What a build with sanitizers preloads, and options of their libraries. */
const SANITIZERS = {
  address: {
    libraries: ['libasan', 'libubsan'],
    env: {
      // Node.js keeps memory until the process ends, so leaks are not reported.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:detect_odr_violation=0',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    },
  },
  thread: {
    libraries: ['libtsan'],
    env: {
      // A process that had a report ends with this code. Signal handlers are Node.js's.
      TSAN_OPTIONS: `exitcode=66:report_signal_unsafe=0:suppressions=${join(root, 'scripts/lib/thread-sanitizer.supp')}`,
    },
  },
};

/** Builds the CPU's addon with a sanitizer and runs it under Node.js: the engine's tests, training, and a short soak. @param {keyof typeof SANITIZERS} name */
async function sanitized(name) {
  say(`building the native engine with the ${name} sanitizer (minutes)`);
  const out = join(root, `build/sanitize-${name}`);
  const addon = await compileAddon({ out, options: [`RANK_DISTILLM_SANITIZE=${name}`] });
  const { libraries, env: options } = SANITIZERS[name];
  const env = {
    ...process.env,
    ...options,
    LD_PRELOAD: libraries.map(sanitizerLibrary).join(':'),
    RANK_DISTILLM_BINDING: addon,
    RANK_DISTILLM_TEST_DEVICE: 'cpu', // LibTorch is not built with sanitizers
  };
  await run(process.execPath, [join(root, 'scripts/test.mjs'), 'test/engine', 'test/train'], {
    what: `tests under the ${name} sanitizer`,
    cwd: root,
    env,
  });
  // the sanitizers keep freed memory, so growth is not judged
  await runSoak(['--minutes', '0.5', '--growth', '0'], `soak under the ${name} sanitizer`, env);
}

/** Runs every case of the kernels with address and undefined-behaviour sanitizers; CI runs the small ones. */
async function sanitizedKernels() {
  const build = join(root, 'build');
  await run('cmake', ['--build', build, '--target', 'kernels_test_sanitized'], {
    what: "building the kernels' test",
    quiet: true,
  });
  await run(join(build, 'Release/kernels_test_sanitized'), [], { what: 'kernels under sanitizers', quiet: true });
}

/** Runs the simulated CUDA kernels at all sizes; CI's test leaves some out. */
async function cudaKernels() {
  const build = join(root, 'build');
  await run('cmake', ['--build', build, '--target', 'cuda_test'], {
    what: "building the CUDA kernels' test",
    quiet: true,
  });
  await run(join(build, 'Release/cuda_test'), ['all'], { what: 'simulated CUDA kernels', quiet: true });
}

/** Every kind of attack with its full number of tries. */
async function attack() {
  const loader = join(root, 'scripts/lib/load-typescript.mjs');
  await run(process.execPath, ['--import', loader, join(root, 'scripts/attack/run.ts'), '--full'], {
    what: 'attack',
    cwd: root,
  });
}

/** See scripts/attack/soak.ts; server-soak.ts is run by the same. */
const SOAK_FLAGS = ['--expose-gc', '--max-semi-space-size=2'];

/** @param {string[]} args @param {string} what @param {NodeJS.ProcessEnv} [env] */
async function runSoak(args, what, env = process.env, name = 'soak') {
  const loader = join(root, 'scripts/lib/load-typescript.mjs');
  const script = join(root, `scripts/attack/${name}.ts`);
  await run(process.execPath, [...SOAK_FLAGS, '--import', loader, script, ...args], { what, cwd: root, env });
}

/** Ten minutes of everything at once, and an hour's requests to a server, without growth; re-ranks a million pairs within the memory bound, and scores for minutes while the event loop stays responsive. */
async function soak() {
  await runSoak([], 'soak');
  await runSoak([], 'soak of the server', process.env, 'server-soak');
  for (const name of ['memory', 'event-loop']) {
    await run(process.execPath, ['--import', 'tsx', join(root, 'scripts/bench/run.ts'), name], {
      what: name,
      cwd: root,
    });
  }
}

/** Programs that look at a package as others find it: its manifest, and its types. It is ESM alone. */
const PACKAGE_LINTERS = [
  ['publint@0.3.25', '--strict'],
  ['@arethetypeswrong/cli@0.18.5', '--profile', 'esm-only', '--pack'],
];

/**
 * Makes a release for all platforms, has its package looked at, and uses it where there is nothing but Node.js and npm. The
 * package for GPUs, which needs CUDA's compiler, is left out.
 */
async function packaged() {
  const script = (/** @type {string} */ name) => join(root, `scripts/release/${name}.mjs`);
  await run(process.execPath, [script('pack'), ...PLATFORMS.map(({ name }) => name)], { what: 'pack', cwd: root });
  for (const [name = '', ...args] of PACKAGE_LINTERS) {
    const folder = join(root, 'build/release/stage/rank-distillm');
    await run('npm', ['exec', '--yes', name, '--', ...args, folder], {
      what: name,
      hint: 'It needs the npm registry once.',
      cwd: root,
    });
  }
  await run(process.execPath, [script('try-install')], { what: 'try-install', cwd: root });
}

const checks = /** @type {Record<string, () => Promise<void>>} */ ({
  'sanitized-kernels': sanitizedKernels,
  'address-sanitizer': () => sanitized('address'),
  'thread-sanitizer': () => sanitized('thread'),
  'cuda-kernels': cudaKernels,
  attack,
  soak,
  package: packaged,
});

try {
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(checks);
  for (const name of names) {
    const check = checks[name];
    if (!check) throw new SetupError(`no check is called ${name}`, `There are: ${Object.keys(checks).join(', ')}`);
    await check();
    say(`${name}: passed`);
  }
} catch (error) {
  giveUp(error);
}
