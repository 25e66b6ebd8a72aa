import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

/** A line that a native test program prints. */
interface Case {
  name: string;
  ok: boolean;
  detail: string;
}

export interface TestProgram {
  /** CMake's target and the program's name. */
  target: string;
  /** Fewer cases mean that the program did not do its work. */
  fewestCases: number;
  args?: readonly string[];
}

const build = fileURLToPath(new URL('../../build', import.meta.url));

function run(program: string, args: readonly string[]) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** Builds a native test program, runs it and makes a test of each case that it prints. */
export function testNatively(title: string, { target, fewestCases, args = [] }: TestProgram): void {
  const test = suite(title);
  // one after another: files are tested at the same time, and builds of one folder disturb each other
  const made = run('flock', [join(build, '.test-programs.lock'), 'cmake', '--build', build, '--target', target]);
  if (made.status !== 0) throw new Error(`${target} could not be built:\n${made.stdout}${made.stderr}`);
  const { status, stdout, stderr } = run(join(build, 'Release', target), args);
  const lines = stdout.trim().split('\n');
  const cases = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Case);
  for (const { name, ok, detail } of cases) test(name, () => assert.ok(ok, detail));
  test('the program ran to its end', () => {
    assert.is(status, 0, stderr);
    assert.ok(cases.length >= fewestCases, `${cases.length} cases`);
  });
  test.run();
}
