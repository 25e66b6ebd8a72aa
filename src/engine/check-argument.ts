import { MOST_THREADS } from '../config/schema/trainer.js';
import { RankDistillmError } from '../errors.js';

/** The error for an argument of a wrong kind: expected, name, received. */
export function badArgument(name: string, expected: string, received: unknown): RankDistillmError {
  const shown = typeof received === 'string' ? `'${received}'` : String(received);
  return new RankDistillmError('bad_input', `${name}: expected ${expected}, received ${shown}`, {
    hint: `Pass ${expected} as ${name}.`,
  });
}

/** 0 leaves the choice to the engine. */
export function checkThreads(threads: number | undefined): number {
  if (threads === undefined) return 0;
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return threads;
  throw badArgument('threads', `an integer from 1 to ${MOST_THREADS}`, threads);
}
