import { output, run } from './run.mjs';
import { SetupError } from './say.mjs';

/** Ways to call pip, most exact first. */
const CALLS = [['python3', '-m', 'pip'], ['pip3'], ['pip']];

export const hasPip = () => findPip() !== undefined;

/** The first pip that answers, as command and leading arguments. */
function findPip() {
  return CALLS.find(([command = '', ...args]) => output(command, [...args, '--version']));
}

/**
 * Runs the first pip that answers.
 * @param {string[]} args
 * @param {{ what: string, hint?: string, quiet?: boolean }} options
 */
export async function pip(args, { hint = 'Check the network.', ...options }) {
  const [command, ...first] = findPip() ?? [];
  if (command === undefined)
    throw new SetupError(`${options.what}: there is no pip`, `sudo apt-get install python3-pip\n${hint}`);
  return await run(command, [...first, ...args, '--disable-pip-version-check'], { hint, ...options });
}
