import { runCommand } from '../lib/run-command.js';
import { SetupError } from '../lib/say.mjs';

/** Runs the built command line as a user would, from the checkout's top folder. @throws SetupError when it fails */
export async function rankDistillm(args: readonly string[]): Promise<void> {
  const code = await runCommand(args);
  if (code !== 0) throw new SetupError(`rank-distillm ${args[0]} ended with exit code ${code}`);
}
