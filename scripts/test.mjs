// Runs every test file in a process of its own. usage: node scripts/test.mjs [WORD ...]
// Only files whose path holds one of the words are run. A file that ran no test has failed: uvu would call it a success.
// One that left all its tests out has said so, because it needs data this machine lacks; with CI=true that fails, too.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { filesBelow } from './lib/hash.mjs';
import { root } from './lib/root.mjs';

const LONGEST_MS = 10 * 60_000;
/** Files. Each starts as many engine threads as there are cores, for moments. */
const AT_ONCE = Math.min(8, Math.max(2, Math.floor(availableParallelism() / 2)));

/** @typedef {{ file: string, passed: number, failed: number, seconds: number, output: string, leftOut: string[], problem: string | undefined }} Result */

/** @param {string} text @param {string} name */
function total(text, name) {
  const sums = [...text.matchAll(new RegExp(`^\\s*${name}:\\s+(\\d+)`, 'gm'))].map((match) => Number(match[1]));
  return sums.length === 0 ? undefined : sums.reduce((a, b) => a + b);
}

/** @param {string} file @returns {Promise<Result>} */
function runFile(file) {
  return new Promise((resolve) => {
    const start = performance.now();
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LONGEST_MS,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('close', (status, signal) => {
      // eslint-disable-next-line no-control-regex -- uvu colours even where nobody looks
      const text = output.replace(/\x1b\[[0-9;]*m/g, '');
      const ran = total(text, 'Total') ?? 0;
      const passed = total(text, 'Passed') ?? 0;
      const leftOut = [...new Set(text.match(/^left out: .*$/gm))];
      let problem;
      if (signal) problem = `ended by ${signal}`;
      else if (ran === 0 && status !== 0) problem = `exit code ${status} before any test`;
      else if (ran === 0 && (leftOut.length === 0 || process.env['CI'] === 'true')) problem = 'ran no test';
      else if (status !== 0 && passed === ran) problem = `exit code ${status}`;
      const failed = ran - passed - (total(text, 'Skipped') ?? 0) + (problem ? 1 : 0);
      resolve({ file, passed, failed, seconds: (performance.now() - start) / 1000, output: text, leftOut, problem });
    });
  });
}

const words = process.argv.slice(2);
const files = filesBelow(join(root, 'test'), (name) => name.endsWith('.test.ts'))
  .map((file) => relative(root, file))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));

const results = /** @type {Result[]} */ ([]);
const waiting = [...files];
async function worker() {
  for (let file = waiting.shift(); file; file = waiting.shift()) {
    const result = await runFile(file);
    results.push(result);
    const mark = result.failed === 0 ? 'ok  ' : 'FAIL';
    console.log(`${mark} ${file}: ${result.passed} passed, ${result.failed} failed, ${result.seconds.toFixed(1)} s`);
    for (const line of result.leftOut) console.log(`     ${line}`);
    if (result.failed > 0) console.log(`${result.problem ? `     ${result.problem}\n` : ''}${result.output}`);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, worker));

const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
if (files.length === 0) console.log(`no test file matches ${words.join(' ')}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
