import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';

/** The built command line; where it was not built, as on a lent machine, its sources by what runs this process. */
function program(): string[] {
  const built = join(root, 'dist', 'cli', 'main.js');
  return existsSync(built) ? [built] : [...process.execArgv, join(root, 'src', 'cli', 'main.ts')];
}

/** Runs the command line as a user would, from the checkout's folder. Its exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  console.log(`\n$ npx rank-distillm ${args.join(' ')}`);
  const child = spawn(process.execPath, [...program(), ...args], {
    stdio: 'inherit',
    cwd: root,
  });
  // Ctrl-C reaches the child as well, which ends cleanly and tells by its exit code
  const wait = (): void => undefined;
  process.on('SIGINT', wait);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 1));
    });
  } finally {
    process.off('SIGINT', wait);
  }
}
