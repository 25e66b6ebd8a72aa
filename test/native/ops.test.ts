import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

/** A line that ops_test prints. */
interface Case {
  name: string;
  ok: boolean;
  detail: string;
}

const test = suite('backward of every op against autograd');
const build = fileURLToPath(new URL('../../build', import.meta.url));

function run(program: string, args: string[]) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (error) throw error;
  return { status, stdout, stderr };
}

const made = run('cmake', ['--build', build, '--target', 'ops_test']);
if (made.status !== 0) throw new Error(`ops_test could not be built:\n${made.stdout}${made.stderr}`);
const { status, stdout, stderr } = run(join(build, 'Release', 'ops_test'), []);
const cases = stdout
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);

for (const { name, ok, detail } of cases) test(name, () => assert.ok(ok, detail));

test('the program ran to its end', () => {
  assert.is(status, 0, stderr);
  assert.ok(cases.length > 80);
});

test.run();
