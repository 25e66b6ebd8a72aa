import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HANGS_MS, LOADER } from '../support/programs.js';

const run = promisify(execFile);
const test = suite('thread that answers requests');

test('close waits for the thread although answers still come in', async () => {
  const program = fileURLToPath(new URL('close-with-answers-on-their-way.ts', import.meta.url));
  // Node ends with code 13 where nothing is left that an await could wait for
  const { stdout } = await run(process.execPath, ['--import', LOADER, program], { timeout: HANGS_MS });
  assert.is(stdout, 'closed closed the thread has ended\n');
});

test.run();
