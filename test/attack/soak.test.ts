import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOADER } from '../support/programs.js';

const SOAK = fileURLToPath(new URL('../../scripts/attack/soak.ts', import.meta.url));
/** In so short a time V8 and the C library still settle; a leak of models or threads is far more. */
const MOST_GROWTH = 40;

const test = suite('soak');

test('the short form: scores and losses are right, file descriptors and threads stay', async () => {
  const flags = ['--expose-gc', '--max-semi-space-size=2', '--import', LOADER];
  const args = ['--minutes', '0.1', '--growth', String(MOST_GROWTH)];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, SOAK, ...args]);
  assert.match(stdout, /anonymous memory: [\d.]+ MiB, then [\d.]+ MiB/);
  for (const action of ['score', 'training steps', 'load, score, close']) {
    assert.match(stdout, new RegExp(`^${action} +[1-9]`, 'm'));
  }
});

test.run();
