import { RankDistillmError, type ErrorCode } from '../errors.js';
import { RanksEnded } from './on-ranks.js';
import { note, readerHasLeft, type CliIo } from './cli-io.js';

/** Exit codes: 0 done, 1 failure, 2 bad input, 130 interrupted. */
const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  bad_input: 2,
  not_found: 2,
  unsupported: 2,
  io: 2,
  native: 1,
  out_of_memory: 1,
  busy: 1,
  closed: 1,
  aborted: 130,
};

/** Prints one error with its hint, and returns the exit code. The stack shows with RANK_DISTILLM_DEBUG=1. */
export function reportError(error: unknown, io: CliIo): number {
  if (readerHasLeft(error)) return 0;
  if (error instanceof RanksEnded) return error.exitCode;
  if (io.env['RANK_DISTILLM_DEBUG'])
    io.stderr.write(`${error instanceof Error ? String(error.stack) : String(error)}\n`);
  if (error instanceof RankDistillmError) {
    if (error.code === 'aborted') {
      note(io, error.message);
      if (error.hint) note(io, `hint: ${error.hint}`);
      return EXIT_CODES.aborted;
    }
    note(io, `error: ${error.message}`);
    if (error.hint) note(io, `hint: ${error.hint}`);
    return EXIT_CODES[error.code];
  }
  note(io, `error: ${error instanceof Error ? error.message : String(error)}`);
  note(io, 'hint: This is a bug in rank-distillm. Set RANK_DISTILLM_DEBUG=1 for the stack, and please report it.');
  return 1;
}
