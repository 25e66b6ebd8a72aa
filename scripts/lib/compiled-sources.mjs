import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';
import { SetupError } from './say.mjs';

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
