import { createHash } from 'node:crypto';
import { RankDistillmError } from '../errors.js';
import { philox4x32, type Words2, type Words4 } from './philox.js';

const WORD = 2 ** 32;

/** Key of a random stream. Equal keys give equal numbers. */
export interface StreamKey {
  /** seed_everything: a whole number from 0 to 2⁵³ − 1. */
  seed: number;
  /** Separates uses, so that they do not share numbers: `order`, `sample`. */
  purpose: string;
  /** 0-based, below 2³². */
  epoch: number;
  /** Item of the epoch, for example a query id. Default: the whole epoch. */
  item?: string;
}

/**
 * Random numbers that depend only on (seed, purpose, epoch, item): the words of Philox4x32-10 in order, with
 *
 * - key: lower and upper 32 bits of the seed,
 * - counter: index of the block of four words; epoch; first eight bytes (two little-endian words) of the SHA-256 of
 *   purpose, a zero byte and item.
 *
 * They do not depend on the order of reading or the number of workers.
 */
export class RandomStream {
  readonly #key: Words2;
  readonly #tail: readonly [epoch: number, hash0: number, hash1: number];
  #block = 0;
  #words: Words4 = [0, 0, 0, 0];
  #used = 4;

  constructor({ seed, purpose, epoch, item = '' }: StreamKey) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RankDistillmError('bad_input', `a seed must be a whole number of at least 0, found ${seed}`, {
        hint: 'Set seed_everything to a number such as 42.',
      });
    }
    if (!Number.isInteger(epoch) || epoch < 0 || epoch >= WORD) {
      throw new RangeError(`epoch must be a whole number from 0 to 2^32 - 1, found ${epoch}`);
    }
    const hash = createHash('sha256').update(`${purpose}\0${item}`).digest();
    this.#key = [seed % WORD, Math.floor(seed / WORD)];
    this.#tail = [epoch, hash.readUInt32LE(0), hash.readUInt32LE(4)];
  }

  /** The next word: 0 to 2³² − 1. */
  uint32(): number {
    if (this.#used === 4) {
      if (this.#block === WORD) throw new RangeError('a random stream ends after 2^34 words');
      this.#words = philox4x32([this.#block, ...this.#tail], this.#key);
      this.#block += 1;
      this.#used = 0;
    }
    return this.#words[this.#used++]!;
  }

  /** A uniform whole number from 0 to `limit` − 1; words above the last multiple of `limit` are rejected. */
  below(limit: number): number {
    if (!Number.isInteger(limit) || limit < 1 || limit > WORD) {
      throw new RangeError(`limit must be a whole number from 1 to 2^32, found ${limit}`);
    }
    const end = WORD - (WORD % limit);
    for (;;) {
      const word = this.uint32();
      if (word < end) return word % limit;
    }
  }

  /** A number in [0, 1) with 53 random bits, from two words. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** A new array of the items, uniformly shuffled (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    return this.choose(items, items.length);
  }

  /** `count` of the items, drawn uniformly without replacement, in the order drawn. */
  choose<T>(items: readonly T[], count: number): T[] {
    checkCount(count, items.length);
    const pool = items.slice();
    for (let i = 0; i < count; i++) {
      const j = i + this.below(pool.length - i);
      const drawn = pool[j]!;
      pool[j] = pool[i]!;
      pool[i] = drawn;
    }
    return pool.slice(0, count);
  }

  /**
   * `count` of the items, drawn without replacement, in the order drawn: the probability of a remaining item is
   * proportional to its weight (as in NumPy's choice and pandas' sample).
   *
   * @param weights [items.length], finite and above 0
   */
  chooseWeighted<T>(items: readonly T[], weights: readonly number[], count: number): T[] {
    checkCount(count, items.length);
    if (weights.length !== items.length || !weights.every((weight) => weight > 0 && weight < Infinity)) {
      throw new RangeError('each item needs a finite weight above 0');
    }
    const left = items.map((_, index) => index);
    const chosen: T[] = [];
    while (chosen.length < count) {
      let point = this.float() * left.reduce((sum, index) => sum + weights[index]!, 0);
      // rounding may put the point past the end; then the last item is drawn
      let position = 0;
      while (position < left.length - 1 && (point -= weights[left[position]!]!) >= 0) position += 1;
      chosen.push(items[left.splice(position, 1)[0]!]!);
    }
    return chosen;
  }
}

function checkCount(count: number, size: number): void {
  if (!Number.isInteger(count) || count < 0 || count > size) {
    throw new RangeError(`cannot draw ${count} of ${size} items without replacement`);
  }
}

/** Seeds must be below this, as in Lightning. */
export const SEEDS = 2 ** 32;

/** seed_everything of the paper's lightning-ir configs. */
export const DEFAULT_SEED = 42;
