import type { RandomStream } from '../../src/random/random-stream.js';
import type { Target } from './package.js';

/** What a child process gives to an attack. */
export interface Place extends Target {
  /** An empty folder of this child, removed at its end. */
  folder: string;
}

/**
 * One try. It returns where the package did its work, throws a RankDistillmError where the package refused the input,
 * and throws {@link Broken} where a promise does not hold. Any other error counts as raw. The same random numbers make
 * the same try.
 *
 * @param isAlone whether no other try runs, see `together`
 */
type Try = (random: RandomStream, index: number, isAlone: boolean) => Promise<void> | void;

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
  /** A child process that holds more resident memory at any time has swallowed it, in MiB. Default 1024. */
  megabytes?: number;
  /**
   * Tries that a child runs at a time and tells of at once: a million take minutes. Where it dies, hangs or swallows
   * memory, it runs them again one by one. Default 1.
   */
  together?: number;
  /**
   * For work that the package does in a process of its own: alone, a try does so, too, and this is what such processes
   * may hold in MiB. Several at a time do it in the child, which then may hold `together`; what breaks only there is no
   * failure.
   */
  apart?: { megabytes: number; together: number };
  /** Says what it needs and this machine or the package lacks; it is then left out. */
  needs?: (target: Target) => Promise<string | undefined>;
  open(place: Place): Try | Promise<Try>;
}

/** A promise that does not hold: a wrong score, a lost file, another document's text. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

export const OUTCOMES = ['worked', 'refused', 'wrong', 'raw error', 'died', 'hung', 'memory'] as const;

/** How a try ended. Only the first two are as promised. */
export type Outcome = (typeof OUTCOMES)[number];

/** A try that broke a promise. */
export interface Failure {
  index: number;
  outcome: Outcome;
  /** What was thrown. */
  message: string;
}

/** What a child tells its parent: that its first try begins, and how each group of tries ended. */
export type Told = { ready: true } | { worked: number; refused: number; failures: Failure[] };

/** @param module its URL; the kind is its export `kind`, or the one of `kinds` that the URL's fragment names */
export async function loadKind(module: string): Promise<Kind> {
  const { hash } = new URL(module);
  const exported = (await import(module)) as { kind?: Kind; kinds?: Record<string, Kind> };
  const found = hash === '' ? exported.kind : exported.kinds?.[hash.slice(1)];
  if (found === undefined) throw new Error(`${module}: no such kind`);
  return found;
}
