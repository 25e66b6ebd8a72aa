import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { LOADER } from '../support/programs.js';
import { shortForms } from './short-form.js';

const SOAK = fileURLToPath(new URL('../../scripts/attack/server-soak.ts', import.meta.url));

const test = shortForms('servers');

test('the short form of the soak: answers are right beside hostile requests and idle connections', async () => {
  const flags = ['--expose-gc', '--max-semi-space-size=2', '--import', LOADER];
  const args = ['--requests', '400', '--connections', '500', '--growth', '40'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, SOAK, ...args]);
  assert.match(stdout, /^400 requests answered rightly, /m);
});

test.run();
