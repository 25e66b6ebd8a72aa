import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';
import { SetupError } from './say.mjs';

/** Lets the next build start afresh. @param {string} out */
export function dropCache(out) {
  rmSync(join(out, 'CMakeCache.txt'), { force: true });
  rmSync(join(out, 'CMakeFiles'), { recursive: true, force: true });
}

/** A CMake cache of another checkout or another LibTorch holds paths that CMake would keep. @param {string} out @param {string | undefined} libtorch */
export function dropStaleCache(out, libtorch) {
  const cache = join(out, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const text = readFileSync(cache, 'utf8');
  const before = /^RANK_DISTILLM_TORCH:[^=]*=(.+)$/m.exec(text)?.[1];
  const isOther = libtorch !== undefined && before !== undefined && before !== libtorch;
  if (isOther || !text.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`)) dropCache(out);
}

/** Those that are part of the build that is there: one for the CPU leaves out what needs CUDA's headers. @param {string[]} sources */
export function compiledSources(sources) {
  const commands = readFileSync(join(root, 'build/compile_commands.json'), 'utf8');
  const compiled = sources.filter((file) => commands.includes(`"${file}"`));
  if (compiled.length > 0) return compiled;
  throw new SetupError(
    'build/compile_commands.json names no source of this checkout, so that clang-tidy would check nothing',
    'The folder was moved or copied with its build: `rm -rf build`, then npm run setup.',
  );
}
