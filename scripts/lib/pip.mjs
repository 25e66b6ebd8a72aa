import { output } from './run.mjs';

/** Ways to call pip, most exact first. */
const CALLS = [['python3', '-m', 'pip'], ['pip3'], ['pip']];

/** The first pip that answers, as command and leading arguments; undefined when there is none. */
export function findPip() {
  return CALLS.find(([command = '', ...args]) => output(command, [...args, '--version']));
}
