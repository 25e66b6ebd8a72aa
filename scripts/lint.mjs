// Checks style and finds faults: Prettier, ESLint and knip (unused exports, files and dependencies) for TypeScript and
// JavaScript, clang-format and clang-tidy for C++.
// usage: node scripts/lint.mjs [--fix]
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { compiledSources } from './lib/cmake.mjs';
import { filesBelow, hashOf } from './lib/hash.mjs';
import { makeOnce } from './lib/once.mjs';
import { pip } from './lib/pip.mjs';
import { cacheFolder, root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { giveUp, say } from './lib/say.mjs';
import { readStamp, writeStamp } from './lib/stamp.mjs';

/** LLVM's tools as PyPI ships them, so that every machine formats alike. */
const CPP_TOOLS = ['clang-format==23.1.5', 'clang-tidy==23.1.4'];
const fix = process.argv.includes('--fix');

/** Installs the tools into the cache folder and returns their programs' paths by name; they are binaries, not Python. */
async function cppTools() {
  const folder = await makeOnce(join(cacheFolder(), CPP_TOOLS.join('-').replaceAll('==', '-')), async (work) => {
    say(`fetching ${CPP_TOOLS.join(' and ')}`);
    await pip(['install', '-q', '--no-deps', '--target', work, ...CPP_TOOLS], { what: 'pip install', quiet: true });
  });
  return {
    format: join(folder, 'clang_format/data/bin/clang-format'),
    tidy: join(folder, 'clang_tidy/data/bin/clang-tidy'),
  };
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

/** A program of an npm package. @param {string} file @param {string[]} args */
const node = (file, args) =>
  run(process.execPath, [join(root, 'node_modules', file), ...args], {
    what: file.split('/', 1)[0] ?? file,
    hint: 'npm run format fixes style.',
    cwd: root,
  });

try {
  await node('prettier/bin/prettier.cjs', [fix ? '--write' : '--check', '--log-level', 'warn', '.']);
  await node('eslint/bin/eslint.js', [...(fix ? ['--fix'] : []), '--max-warnings', '0', '.']);
  await node('knip/bin/knip.js', ['--no-progress']);
  const tools = await cppTools();
  const native = (/** @type {RegExp} */ ending) => filesBelow(join(root, 'native'), (name) => ending.test(name));
  const check = fix ? ['-i'] : ['--dry-run', '-Werror'];
  await run(tools.format, [...check, ...native(/\.(h|cc|cuh?)$/)], {
    what: 'clang-format',
    hint: 'npm run format fixes it.',
    cwd: root,
  });
  await tidy(tools.tidy, compiledSources(native(/\.cc$/)), native(/\.h$/));
} catch (error) {
  giveUp(error);
}
