// Runs each test file in its own process. usage: node scripts/test.mjs [WORD ...]
// Only files whose path holds one of the words are run. A file that ran no test has failed: uvu would call it a success.
// A file may skip tests for want of something that the machine lacks; it names that in a line `left out: ...`.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { filesBelow } from './lib/hash.mjs';
import { root } from './lib/root.mjs';
import { transpile } from './lib/transpile.mjs';
import { isCompiled } from './lib/typescript.mjs';

/** A file that prints nothing for so long hangs. No machine is so slow that a test takes as long. */
const HANGS_MS = 45 * 60_000;
/** Files. Each starts as many engine threads as there are cores, for moments, and waits for processes at others. */
const AT_ONCE = Math.min(8, Math.max(3, Math.floor(availableParallelism() / 2)));
/** Files that start first, longest first, so that none of them is left alone at the end. */
const LONG = ['test/attack/kills', 'test/fit/resume', 'test/cli/process', 'test/tokenize/round-trip'];
/** Files that compile, on all cores: one at a time, since the others would wait for its lock. */
const COMPILES = 'test/native/';
/** With another Node.js, of arm64 perhaps (scripts/arm64/test.mjs), each file is run by that. */
const NODE = process.env['RANK_DISTILLM_TEST_NODE'] ?? process.execPath;
/** See test/support/programs.ts. */
const COMPILED = isCompiled() ? { RANK_DISTILLM_TEST_COMPILED: root } : {};
const LOADER = pathToFileURL(join(root, 'scripts/lib/load-typescript.mjs')).href;

/** @typedef {{ file: string, passed: number, failed: number, skipped: number, seconds: number, output: string, leftOut: string[], problem: string | undefined }} Result */

/** @param {string} text @param {string} name */
function total(text, name) {
  const sums = [...text.matchAll(new RegExp(`^\\s*${name}:\\s+(\\d+)`, 'gm'))].map((match) => Number(match[1]));
  return sums.length === 0 ? undefined : sums.reduce((a, b) => a + b);
}

/** @param {string} file @returns {Promise<Result>} */
function runFile(file) {
  return new Promise((resolve) => {
    const start = performance.now();
    const child = spawn(NODE, ['--import', LOADER, file], {
      cwd: root,
      env: {
        ...process.env,
        ...COMPILED,
        // tests of downloads use servers of their own
        RANK_DISTILLM_OFFLINE: '1',
        // what is measured is another arithmetic on another day
        RANK_DISTILLM_ARITHMETIC: 'flags',
        NO_COLOR: '1',
        FORCE_COLOR: '0',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const hang = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
    const hear = (/** @type {Buffer} */ chunk) => {
      output += chunk;
      hang.refresh();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('close', (status, signal) => {
      clearTimeout(hang);
      // eslint-disable-next-line no-control-regex -- uvu colours even where nobody looks
      const text = output.replace(/\x1b\[[0-9;]*m/g, '');
      const ran = total(text, 'Total') ?? 0;
      const passed = total(text, 'Passed') ?? 0;
      const leftOut = [...new Set(text.match(/(?<=^| {2}|[•✘] )left out: .*$/gm))];
      let problem;
      if (signal) problem = `ended by ${signal}`;
      else if (ran === 0 && status !== 0) problem = `exit code ${status} before any test`;
      else if (ran === 0 && leftOut.length === 0) problem = 'ran no test';
      else if (status !== 0 && passed === ran) problem = `exit code ${status}`;
      const failed = ran - passed - (total(text, 'Skipped') ?? 0) + (problem ? 1 : 0);
      const skipped = leftOut.length + (total(text, 'Skipped') ?? 0);
      const seconds = (performance.now() - start) / 1000;
      resolve({ file, passed, failed, skipped, seconds, output: text, leftOut, problem });
    });
  });
}

const words = process.argv.slice(2);
const files = filesBelow(join(root, 'test'), (name) => name.endsWith('.test.ts'))
  .map((file) => relative(root, file))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));

/** @param {string} file */
const rank = (file) => (LONG.findIndex((start) => file.startsWith(start)) + LONG.length + 1) % (LONG.length + 1);

const results = /** @type {Result[]} */ ([]);
const compiling = files.filter((file) => file.startsWith(COMPILES));
const waiting = files.filter((file) => !file.startsWith(COMPILES)).toSorted((a, b) => rank(a) - rank(b));
/** @param {string[]} first files that this worker alone runs */
async function worker(first) {
  const next = () => first.shift() ?? waiting.shift();
  for (let file = next(); file; file = next()) {
    const result = await runFile(file);
    results.push(result);
    const mark = result.failed === 0 ? 'ok  ' : 'FAIL';
    console.log(`${mark} ${file}: ${result.passed} passed, ${result.failed} failed, ${result.seconds.toFixed(1)} s`);
    for (const line of result.leftOut) console.log(`     ${line}`);
    if (result.failed > 0) console.log(`${result.problem ? `     ${result.problem}\n` : ''}${result.output}`);
  }
}
// once here instead of in each process
for (const folder of ['src', 'test']) {
  for (const file of filesBelow(join(root, folder), (name) => name.endsWith('.ts'))) await transpile(file);
}
await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => worker(i === 0 ? compiling : [])));

const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
if (files.length === 0) console.log(`no test file matches ${words.join(' ')}`);
const skipped = results.reduce((sum, result) => sum + result.skipped, 0);
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
