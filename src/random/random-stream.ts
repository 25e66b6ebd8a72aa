import { createHash } from 'node:crypto';
import { RankDistillmError } from '../errors.js';
import { philox4x32, type Words2, type Words4 } from './philox.js';

const WORD = 2 ** 32;

/** What a stream of random numbers is for. The same four values always give the same numbers. */
export interface StreamKey {
  /** seed_everything: a whole number from 0 to 2⁵³ − 1. */
  seed: number;
  /** A word, so that two uses never share numbers: `order`, `sample`. */
  purpose: string;
  /** 0-based, below 2³². */
  epoch: number;
  /** What in the epoch, for example a query id. Default: the epoch as a whole. */
  item?: string;
}

/**
 * Random numbers that follow from (seed, purpose, epoch, item) alone. They are the words of Philox4x32-10 in order, with
 *
 * - key: the seed's lower and upper 32 bits,
 * - counter: number of the block of four words; epoch; the first eight bytes (two little-endian words) of the SHA-256 of
 *   purpose, a zero byte and item.
 *
 * No order of reading and no number of workers changes them.
 */
export class RandomStream {
  private readonly key: Words2;
  private readonly tail: readonly [epoch: number, hash0: number, hash1: number];
  private block = 0;
  private words: Words4 = [0, 0, 0, 0];
  private used = 4;

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
    this.key = [seed % WORD, Math.floor(seed / WORD)];
    this.tail = [epoch, hash.readUInt32LE(0), hash.readUInt32LE(4)];
  }

  /** The next word: 0 to 2³² − 1. */
  uint32(): number {
    if (this.used === 4) {
      if (this.block === WORD) throw new RangeError('a random stream ends after 2^34 words');
      this.words = philox4x32([this.block, ...this.tail], this.key);
      this.block += 1;
      this.used = 0;
    }
    return this.words[this.used++]!;
  }

  /** A whole number from 0 to `limit` − 1, all equally likely: words above the last multiple of `limit` are drawn again. */
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

  /** A new array of the items in random order, every order equally likely (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    return this.choose(items, items.length);
  }

  /** `count` of the items without replacement, in the order drawn; every ordered choice is equally likely. */
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
   * `count` of the items without replacement, in the order drawn: each draw takes one of those left with a probability in
   * proportion to its weight (what NumPy's choice and pandas' sample do with weights).
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
      // rounding may leave the point at the very end; the last one is meant then
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

/** Seeds are below this, as in Lightning. */
export const SEEDS = 2 ** 32;

/** lightning-ir's runs of the paper use seed_everything 42. */
export const DEFAULT_SEED = 42;
