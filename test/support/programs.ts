import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** No program of a test takes that long on any machine: it hangs, and must not outlive its test. */
export const HANGS_MS = 30 * 60_000;

/** For `node --import`: runs TypeScript. */
export const LOADER = new URL('../../scripts/lib/load-typescript.mjs', import.meta.url).href;

/**
 * The checkout where dist is what src compiles to, which scripts/test.mjs looks at: a program of dist starts in half the
 * CPU time.
 */
export const COMPILED: string | undefined = process.env['RANK_DISTILLM_TEST_COMPILED'];

/** `rank-distillm` as a program and its first arguments. */
export const PROGRAM: readonly string[] =
  COMPILED === undefined
    ? [process.execPath, '--import', LOADER, fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))]
    : [process.execPath, join(COMPILED, 'dist/cli/main.js')];

/** The program and its arguments as a shell reads them. */
export function inShell(argv: readonly string[]): string {
  return [...PROGRAM, ...argv].map((word) => `'${word}'`).join(' ');
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the program as a process of its own; `act` may send it signals. */
export function start(
  argv: string[],
  cwd: string,
  options: {
    stdin?: string;
    env?: Record<string, string>;
    act?: (kill: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const [program, ...before] = PROGRAM;
    const child = spawn(program!, [...before, ...argv], {
      cwd,
      env: { ...process.env, XDG_CACHE_HOME: join(cwd, 'cache'), ...options.env },
    });
    const ended: Ended = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (ended.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (ended.stderr += chunk.toString()));
    const timer = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ ...ended, code });
    });
    options.act?.((signal) => child.kill(signal));
    child.stdin.end(options.stdin);
  });
}
