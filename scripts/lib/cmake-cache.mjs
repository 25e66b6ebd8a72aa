import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';

/** Lets the next build start afresh. @param {string} out */
export function dropCache(out) {
  rmSync(join(out, 'CMakeCache.txt'), { force: true });
  rmSync(join(out, 'CMakeFiles'), { recursive: true, force: true });
}

/** A CMake cache of another checkout or another LibTorch holds paths that CMake would keep. @param {string} out @param {string[]} wanted */
export function dropStaleCache(out, wanted) {
  const cache = join(out, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const text = readFileSync(cache, 'utf8');
  const isOurs =
    text.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`) &&
    wanted.every((value) => text.includes(`=${value.slice(value.indexOf('=') + 1)}\n`));
  if (!isOurs) dropCache(out);
}
