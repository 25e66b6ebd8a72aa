// What npm runs after it has unpacked the package: where no engine for this machine is there, or
// npm_config_build_from_source asks for one, it compiles one from the sources in this package, and says why. It downloads
// nothing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const build = join(root, 'build');

/** @param {string} command @param {string[]} args */
function isRunning(command, args) {
  return spawnSync(command, args, { stdio: 'inherit' }).status === 0;
}

/** Why the engine has to be built; undefined where there is one that loads. */
function whyBuild() {
  const asked = process.env['npm_config_build_from_source'] ?? '';
  if (asked === 'true' || asked.split(',').includes('rank-distillm')) return 'npm_config_build_from_source asks for it';
  const loader = pathToFileURL(join(root, 'dist/io/load-binding.js')).href;
  // In a process of its own: a binary for another CPU may end it.
  const script = `import(${JSON.stringify(loader)}).then((loader) => loader.loadBinding()).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });`;
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  return status === 0 ? undefined : stderr.trim() || `loading the engine ended with ${signal ?? status}`;
}

/** npm installs for another machine: nothing can be tried here. */
function isForAnother() {
  const { npm_config_os: os, npm_config_cpu: cpu, npm_config_libc: libc } = process.env;
  return Boolean((os && os !== process.platform) || (cpu && cpu !== process.arch) || libc);
}

function compile() {
  const headers = ['node-api-headers/include', 'node-addon-api'].map((path) => join(root, 'third_party', path));
  const options = [
    `-DCMAKE_JS_INC=${headers.join(';')}`,
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(build, 'Release')}`,
    '-DRANK_DISTILLM_WERROR=OFF',
  ];
  const jobs = String(availableParallelism());
  return (
    isRunning('cmake', ['-S', root, '-B', build, ...options]) &&
    isRunning('cmake', ['--build', build, '--parallel', jobs, '--target', 'rank_distillm'])
  );
}

const why = isForAnother() ? undefined : whyBuild();
if (why !== undefined) {
  console.error(`rank-distillm: building the engine from source: ${why}`);
  if (!compile() || !existsSync(join(build, 'Release/rank_distillm.node'))) {
    console.error(
      'rank-distillm: that failed. It needs a C++20 compiler (g++ 12 or clang 14, or newer), CMake 3.22 and make or ninja: ' +
        'apt-get install g++ cmake make',
    );
    process.exit(1);
  }
  console.error(`rank-distillm: ${join(build, 'Release/rank_distillm.node')} is ready`);
}
