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
  /** CMake's target, which is also the program's name. */
  target: string;
  /** A run with fewer cases fails. */
  fewestCases: number;
  /** The same of a run of the small cases. */
  fewestSmall?: number;
  args?: readonly string[];
}

/** Another build and what runs its programs: of another CPU, for example (scripts/arm64/test.mjs). */
const build = process.env['RANK_DISTILLM_TEST_BUILD'] ?? fileURLToPath(new URL('../../build', import.meta.url));
const emulator = process.env['RANK_DISTILLM_TEST_EMULATOR'];
/** `small`: a program's small cases only. */
const size = process.env['RANK_DISTILLM_TEST_SIZE'];

/**
 * Builds a target. Test files run in parallel, but two builds of one folder disturb each other, so they take a lock. The
 * output goes to ours: it shows a slow build's progress.
 */
function buildTarget(target: string): void {
  const LOCKED = 75;
  const lock = ['--timeout', '30', '--conflict-exit-code', String(LOCKED), join(build, '.test-programs.lock')];
  const command = ['flock', ...lock, 'cmake', '--build', build, '--target', target] as const;
  for (;;) {
    const { status, error } = spawnSync(command[0], command.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] });
    if (error) throw error;
    if (status === 0) return;
    if (status !== LOCKED) throw new Error(`${target} could not be built; the compiler says above why`);
    console.log('waiting for the build of another test');
  }
}

/** Builds a native test program, runs it and makes a test of each case that it prints. */
export function testNatively(
  title: string,
  { target, fewestCases, fewestSmall = fewestCases, args = [] }: TestProgram,
): void {
  const test = suite(title);
  buildTarget(target);
  const program = join(build, 'Release', target);
  const [command = '', ...rest] = [...(emulator ? [emulator] : []), program, ...(size ? [size] : args)];
  const { status, stdout, stderr, error } = spawnSync(command, rest, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (error) throw error;
  const lines = stdout.trim().split('\n');
  const cases = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Case);
  for (const { name, ok, detail } of cases) test(name, () => assert.ok(ok, detail));
  test('the program ran to its end', () => {
    assert.is(status, 0, stderr);
    assert.ok(cases.length >= (size === undefined ? fewestCases : fewestSmall), `${cases.length} cases`);
  });
  test.run();
}
