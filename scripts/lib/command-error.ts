import { RankDistillmError } from '../../src/errors.js';
import { giveUp, SetupError } from './say.mjs';

/** Ends a script that takes a command line: what its caller can mend is told without a stack trace. */
export function giveUpCommand(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException;
  // node:util says what is wrong with the command line; where it said so helps nobody
  if (code?.startsWith('ERR_PARSE_ARGS')) giveUp(new SetupError(message, 'See --help.'));
  giveUp(error instanceof RankDistillmError ? new SetupError(message, error.hint) : error);
}
