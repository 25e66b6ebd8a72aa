import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './root.mjs';

/** Runs the built command line as a user would, from the checkout's folder. Its exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  console.log(`\n$ npx rank-distillm ${args.join(' ')}`);
  const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
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
