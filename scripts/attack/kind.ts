import type * as RankDistillm from '../../src/index.js';
import type { RandomStream } from '../../src/random/random-stream.js';

export type Api = typeof RankDistillm;

/** What a child process gives to an attack. */
interface Place {
  /** The package under attack: the sources, or an installed package (`--package`). */
  api: Api;
  /** The command line of the same package: `node .../main.js`. */
  command: readonly string[];
  /** An empty folder of this child, removed at its end. */
  folder: string;
}

/**
 * One try. It returns where the package did its work, throws a RankDistillmError where the package refused the input,
 * and throws {@link Broken} where a promise does not hold. Any other error counts as raw. The same random numbers make
 * the same try.
 */
type Try = (random: RandomStream, index: number) => Promise<void> | void;

/** A kind of attack: a row of the table. */
export interface Kind {
  /** What is attacked: `mutated runs`. */
  name: string;
  /** Number of tries in the full form (`npm run check:full`), and in the short form that CI runs. */
  tries: { full: number; short: number };
  /** What its tries should give in a run of some. Default both. */
  gives?: readonly ('worked' | 'refused')[];
  /** A try that takes longer hangs. Default 10. */
  seconds?: number;
  /** A child process that holds more resident memory has swallowed it. Default 1024. */
  megabytes?: number;
  open(place: Place): Try | Promise<Try>;
}

/** A promise that does not hold: a wrong score, a lost file, another document's text. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

export const OUTCOMES = ['worked', 'refused', 'wrong', 'raw error', 'died', 'hung', 'memory'] as const;

/** How a try ended. Only the first two are as promised. */
export type Outcome = (typeof OUTCOMES)[number];

/** What a child tells its parent after each try. */
export interface Told {
  index: number;
  outcome: Outcome;
  /** What was thrown. */
  message?: string;
}
