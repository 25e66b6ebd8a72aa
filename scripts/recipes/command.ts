import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';

/** Runs the built command line as a user would, from the checkout's top folder. @throws SetupError when it fails */
export async function rankDistillm(args: readonly string[]): Promise<void> {
  console.log(`\n$ npx rank-distillm ${args.join(' ')}`);
  const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
    stdio: 'inherit',
    cwd: root,
  });
  // Ctrl-C reaches the child as well, which ends cleanly and tells by its exit code
  const wait = (): void => undefined;
  process.on('SIGINT', wait);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => resolve(status ?? 1));
    });
    if (code !== 0) throw new SetupError(`rank-distillm ${args[0]} ended with exit code ${code}`);
  } finally {
    process.off('SIGINT', wait);
  }
}
