// Checks that are too slow for every CI run: the engine and all kernels under sanitizers, CUDA kernels at all sizes, long
// fuzzing of the file readers, a run of a million pairs, and a release for all platforms, installed and used.
// usage: node scripts/check-full.mjs [sanitizers | cuda-kernels | fuzz | attack | soak | package ...]
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compileAddon, compileTorchAddon } from './lib/addon.mjs';
import { findLibtorch } from './lib/libtorch.mjs';
import { root } from './lib/root.mjs';
import { output, run } from './lib/run.mjs';
import { giveUp, say, SetupError } from './lib/say.mjs';

/** Number of damaged files; CI's tests try 2,000. */
const FUZZ_COUNT = process.env['FUZZ_COUNT'] ?? '200000';

/** The compiler's sanitizer libraries: a program that was built without sanitizers must preload them. */
function sanitizerLibraries() {
  return ['libasan.so', 'libubsan.so'].map((name) => {
    const path = output('c++', [`-print-file-name=${name}`])?.trim();
    if (path && existsSync(path)) return path;
    throw new SetupError(`${name} was not found`, 'It comes with g++: sudo apt-get install g++');
  });
}

/** Builds everything native with address and undefined-behaviour sanitizers, and runs all kernels and the engine's tests. */
async function sanitizers() {
  say('building the native engine with sanitizers (minutes)');
  const out = join(root, 'build/sanitize');
  const sanitized = {
    out,
    torch: { libtorch: await findLibtorch(undefined), cuda: false },
    options: ['RANK_DISTILLM_SANITIZE=ON'],
  };
  const addon = await compileAddon(sanitized);
  await compileTorchAddon(sanitized);
  const options = {
    ...process.env,
    // Node and LibTorch keep memory until the process ends, so leaks are not reported.
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:detect_odr_violation=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
  await run('cmake', ['--build', out, '--target', 'kernels_test'], { what: "building the kernels' test", quiet: true });
  await run(join(out, 'Release/kernels_test'), [], { what: 'kernels under sanitizers', env: options, quiet: true });
  const env = { ...options, LD_PRELOAD: sanitizerLibraries().join(':'), RANK_DISTILLM_BINDING: addon };
  await run(process.execPath, [join(root, 'scripts/test.mjs'), 'test/engine', 'test/golden', 'test/train'], {
    what: 'tests under sanitizers',
    cwd: root,
    env,
  });
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

/** Reads many damaged weight files, with a new seed each day that the test prints. */
async function fuzz() {
  const seed = process.env['FUZZ_SEED'] ?? String(Math.floor(Date.now() / 86_400_000));
  const env = { ...process.env, FUZZ_COUNT, FUZZ_SEED: seed };
  await run(process.execPath, ['--import', 'tsx', join(root, 'test/fuzz/checkpoint-fuzz.test.ts')], {
    what: 'fuzzing',
    cwd: root,
    env,
  });
}

/** Every kind of attack with its full number of tries. */
async function attack() {
  const loader = join(root, 'scripts/lib/load-typescript.mjs');
  await run(process.execPath, ['--import', loader, join(root, 'scripts/attack/run.ts'), '--full'], {
    what: 'attack',
    cwd: root,
  });
}

/** Re-ranks a million pairs within the memory bound, and scores for minutes while the event loop stays responsive. */
async function soak() {
  for (const name of ['memory', 'event-loop']) {
    await run(process.execPath, ['--import', 'tsx', join(root, 'scripts/bench/run.ts'), name], {
      what: name,
      cwd: root,
    });
  }
}

/** Makes a release for all platforms, and uses it where there is nothing but Node.js and npm. */
async function packaged() {
  for (const name of ['pack', 'try-install']) {
    await run(process.execPath, [join(root, `scripts/release/${name}.mjs`)], { what: name, cwd: root });
  }
}

const checks = /** @type {Record<string, () => Promise<void>>} */ ({
  sanitizers,
  'cuda-kernels': cudaKernels,
  fuzz,
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
