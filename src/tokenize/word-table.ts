/** As many as some 100,000 English passages have; they take 6 MB. */
const MOST_UNITS = 131_072;
/** Twice as many as units, so that probes stay short; a power of two. */
const SLOTS = 2 * MOST_UNITS;
/** Of all units together: those of English passages have 7 bytes and 2 ids on average. */
const KEY_BYTES = 12 * MOST_UNITS;
const IDS = 3 * MOST_UNITS;

/**
 * Token ids by short byte strings, found without making a JavaScript string of each. Adding to a full table empties it
 * first: texts miss hardly more units than with one that forgets the oldest, since frequent ones are soon back.
 */
export class WordTable {
  /** [slots]: number of the unit found there plus 1, or 0. */
  readonly #slots = new Int32Array(SLOTS);
  /** [units] */
  readonly #hashes = new Int32Array(MOST_UNITS);
  /** [units + 1]: where the bytes and the ids of each unit begin. */
  readonly #keyStarts = new Int32Array(MOST_UNITS + 1);
  readonly #idStarts = new Int32Array(MOST_UNITS + 1);
  readonly #keys = new Uint8Array(KEY_BYTES);
  readonly #ids = new Int32Array(IDS);
  #units = 0;

  /** Number of the unit `bytes[start, end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const length = end - start;
    for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const unit = this.#slots[slot]! - 1;
      if (unit < 0) return -1;
      const keyStart = this.#keyStarts[unit]!;
      if (this.#hashes[unit] !== hash || this.#keyStarts[unit + 1]! - keyStart !== length) continue;
      let same = 0;
      while (same < length && this.#keys[keyStart + same] === bytes[start + same]) same++;
      if (same === length) return unit;
    }
  }

  /** Copies the ids of a unit to `target`, from `at` on, and returns how many there are. */
  copyIds(unit: number, target: Int32Array, at: number): number {
    const start = this.#idStarts[unit]!;
    const count = this.#idStarts[unit + 1]! - start;
    for (let i = 0; i < count; i++) target[at + i] = this.#ids[start + i]!;
    return count;
  }

  /** Adds a unit, unless it is there. `key` and `ids` are short and copied. */
  add(key: Uint8Array, hash: number, ids: Int32Array): void {
    if (this.find(key, 0, key.length, hash) >= 0) return;
    if (!this.#hasRoom(key.length, ids.length)) {
      this.#slots.fill(0);
      this.#units = 0;
    }
    const unit = this.#units++;
    this.#keys.set(key, this.#keyStarts[unit]);
    this.#keyStarts[unit + 1] = this.#keyStarts[unit]! + key.length;
    this.#ids.set(ids, this.#idStarts[unit]);
    this.#idStarts[unit + 1] = this.#idStarts[unit]! + ids.length;
    this.#hashes[unit] = hash;
    let slot = hash & (SLOTS - 1);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
    this.#slots[slot] = unit + 1;
  }

  #hasRoom(keyBytes: number, ids: number): boolean {
    return (
      this.#units < MOST_UNITS &&
      this.#keyStarts[this.#units]! + keyBytes <= KEY_BYTES &&
      this.#idStarts[this.#units]! + ids <= IDS
    );
  }
}
