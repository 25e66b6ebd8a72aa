// Checks style and finds faults: ESLint and Prettier for TypeScript and JavaScript, clang-format and clang-tidy for C++.
// usage: node scripts/lint.mjs [--fix]
import { existsSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { compiledSources } from './lib/compiled-sources.mjs';
import { filesBelow, hashOf } from './lib/hash.mjs';
import { withLock } from './lib/lock.mjs';
import { findPip } from './lib/pip.mjs';
import { cacheFolder, root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { giveUp, say, SetupError } from './lib/say.mjs';
import { readStamp, writeStamp } from './lib/stamp.mjs';
import { inWorkFolder } from './lib/work-folder.mjs';

/** LLVM's tools as PyPI ships them, so that every machine formats alike. */
const CPP_TOOLS = ['clang-format==23.1.5', 'clang-tidy==23.1.4'];
const fix = process.argv.includes('--fix');

/** Installs the tools into the cache folder and returns their programs' paths by name; they are binaries, not Python. */
async function cppTools() {
  const folder = join(cacheFolder(), CPP_TOOLS.join('-').replaceAll('==', '-'));
  const programs = {
    format: join(folder, 'clang_format/data/bin/clang-format'),
    tidy: join(folder, 'clang_tidy/data/bin/clang-tidy'),
  };
  const isThere = () => Object.values(programs).every((file) => existsSync(file));
  if (isThere()) return programs;
  const pip = findPip();
  if (!pip)
    throw new SetupError(
      'clang-format and clang-tidy come from PyPI, and there is no pip',
      'sudo apt-get install python3-pip',
    );
  say(`fetching ${CPP_TOOLS.join(' and ')}`);
  const [command = '', ...leading] = pip;
  await withLock(`${folder}.lock`, async () => {
    if (isThere()) return;
    await inWorkFolder(folder, async (work) => {
      await run(command, [...leading, 'install', '-q', '--no-deps', '--target', work, ...CPP_TOOLS], {
        what: 'pip install',
        quiet: true,
      });
      rmSync(folder, { recursive: true, force: true });
      renameSync(work, folder);
    });
  });
  return programs;
}

/**
 * clang-tidy reads LibTorch's headers for each file, so files that were clean and did not change are passed over.
 * @param {string} program
 * @param {string[]} sources
 * @param {string[]} headers
 */
async function tidy(program, sources, headers) {
  const shared = hashOf([...headers, join(root, '.clang-tidy'), join(root, 'CMakeLists.txt')], CPP_TOOLS);
  const clean = readStamp('clang-tidy');
  const hashed = (/** @type {string} */ file) => hashOf([file], [shared]);
  const waiting = sources.filter((file) => clean[relative(root, file)] !== hashed(file));
  const total = waiting.length;
  if (total > 0) say(`clang-tidy on ${total} files`);
  let failed;
  const worker = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      try {
        await run(program, ['-p', join(root, 'build'), '--quiet', file], {
          what: `clang-tidy ${relative(root, file)}`,
          quiet: true,
        });
        clean[relative(root, file)] = hashed(file);
      } catch (error) {
        failed ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  writeStamp('clang-tidy', clean);
  if (failed) throw failed;
}

try {
  const bin = (/** @type {'prettier' | 'eslint'} */ name) =>
    join(root, 'node_modules', name === 'prettier' ? 'prettier/bin/prettier.cjs' : 'eslint/bin/eslint.js');
  await run(process.execPath, [bin('prettier'), fix ? '--write' : '--check', '--log-level', 'warn', '.'], {
    what: 'prettier',
    hint: 'npm run format mends it.',
    cwd: root,
  });
  await run(process.execPath, [bin('eslint'), ...(fix ? ['--fix'] : []), '--max-warnings', '0', '.'], {
    what: 'eslint',
    cwd: root,
  });
  const tools = await cppTools();
  const headers = filesBelow(join(root, 'native'), (name) => name.endsWith('.h'));
  const sources = filesBelow(join(root, 'native'), (name) => name.endsWith('.cc'));
  const kernels = filesBelow(join(root, 'native'), (name) => /\.cuh?$/.test(name));
  await run(tools.format, [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...headers, ...sources, ...kernels], {
    what: 'clang-format',
    hint: 'npm run format mends it.',
    cwd: root,
  });
  await tidy(tools.tidy, compiledSources(sources), headers);
} catch (error) {
  giveUp(error);
}
