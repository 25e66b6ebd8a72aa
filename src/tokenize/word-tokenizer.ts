import { isPlainBert, type LoadedTokenizer } from './load-tokenizer.js';

/** Longer units rarely repeat; a text with a longer unit is tokenized as a whole. */
const LONGEST_UNIT_BYTES = 48;
/** In UTF-16 units. Longer texts are tokenized as a whole, so that the buffers stay small. */
const LONGEST_TEXT = 16_384;
/** Maximum UTF-8 bytes per UTF-16 unit. */
const BYTES_PER_UNIT = 3;

const SPACE = 0;
const WORD = 1;
const PUNCTUATION = 2;
/** Characters that may interact with their neighbours: added tokens, deleted characters, anything beyond ASCII. */
const OTHER = 3;

const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (/[ \t\n\r]/.test(character)) return SPACE;
  if (/[a-zA-Z0-9]/.test(character)) return WORD;
  return byte > 0x20 && byte < 0x7f && character !== '[' ? PUNCTUATION : OTHER;
});

/** FNV-1a. */
const HASH_START = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;

interface Unit {
  key: Uint8Array;
  hash: number;
}

/**
 * Tokenizes texts unit by unit. Plain BERT tokenizes units independently (docs/tokens.md): a unit is a punctuation mark
 * or a run of letters and digits, or everything between two spaces if that contains other characters or non-ASCII ones.
 * A table caches the ids that the tokenizer gives for each unit.
 */
export class WordTokenizer {
  readonly #native: LoadedTokenizer['native'];
  /** An added token that separates units that are tokenized together. */
  readonly #separator: string;
  readonly #separatorId: number;
  readonly #table = new WordTable();
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #bytes = new Uint8Array(BYTES_PER_UNIT * LONGEST_TEXT);
  /** Units in the table have no more ids than bytes. */
  readonly #ids = new Int32Array(BYTES_PER_UNIT * LONGEST_TEXT);
  #count = 0;

  private constructor(native: LoadedTokenizer['native'], separator: string, separatorId: number) {
    this.#native = native;
    this.#separator = separator;
    this.#separatorId = separatorId;
  }

  /** Undefined for tokenizers that are not plain BERT: their texts cannot be split into units. */
  static for(tokenizer: LoadedTokenizer): WordTokenizer | undefined {
    const { native, addedTokens, definition } = tokenizer;
    // the unknown token's id is also the id of unknown words
    const separator = addedTokens.find(({ content }) => content !== definition.model.unk_token)?.content;
    if (separator === undefined || !isPlainBert(tokenizer)) return undefined;
    return new WordTokenizer(native, separator, native.tokenToId(separator)!);
  }

  /** [texts]: the ids of each, or undefined for one that must be tokenized as a whole. */
  async tokenize(texts: readonly string[]): Promise<(Int32Array | undefined)[]> {
    const missing = new Map<string, Unit>();
    const found = texts.map((text) => this.#lookUp(text, missing));
    if (missing.size === 0) return found;
    await this.#learn(missing);
    return found.map((ids, i) => ids ?? this.#lookUp(texts[i]!, undefined));
  }

  /** The ids of a text if all its units are in the table; adds other units to `missing`. */
  #lookUp(text: string, missing: Map<string, Unit> | undefined): Int32Array | undefined {
    if (text.length > LONGEST_TEXT) return undefined;
    const bytes = this.#bytes;
    const end = this.#encoder.encodeInto(text, bytes).written;
    this.#count = 0;
    let complete = true;
    let at = 0;
    while (at < end) {
      const start = at;
      let kinds = 0;
      for (; at < end; at++) {
        const kind = KINDS[bytes[at]!]!;
        if (kind === SPACE) break;
        kinds |= kind === OTHER ? 1 : 0;
      }
      if (at > start) {
        const known = kinds === 0 ? this.#addWords(start, at, missing) : this.#addWhole(start, at, missing);
        complete &&= known;
      }
      at++;
    }
    return complete ? this.#ids.slice(0, this.#count) : undefined;
  }

  #addWords(start: number, end: number, missing: Map<string, Unit> | undefined): boolean {
    const bytes = this.#bytes;
    let complete = true;
    let at = start;
    while (at < end) {
      const from = at;
      const first = bytes[at++]!;
      let hash = Math.imul(HASH_START ^ first, HASH_PRIME);
      if (KINDS[first] === WORD) {
        while (at < end && KINDS[bytes[at]!] === WORD) hash = Math.imul(hash ^ bytes[at++]!, HASH_PRIME);
      }
      const known = this.#addUnit(from, at, hash, missing);
      complete &&= known;
    }
    return complete;
  }

  #addWhole(start: number, end: number, missing: Map<string, Unit> | undefined): boolean {
    let hash = HASH_START;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ this.#bytes[at]!, HASH_PRIME);
    return this.#addUnit(start, end, hash, missing);
  }

  #addUnit(start: number, end: number, hash: number, missing: Map<string, Unit> | undefined): boolean {
    if (end - start > LONGEST_UNIT_BYTES) return false;
    const unit = this.#table.find(this.#bytes, start, end, hash);
    if (unit >= 0) {
      this.#count += this.#table.copyIds(unit, this.#ids, this.#count);
      return true;
    }
    if (missing !== undefined) {
      const key = this.#bytes.slice(start, end);
      missing.set(this.#decoder.decode(key), { key, hash });
    }
    return false;
  }

  async #learn(missing: Map<string, Unit>): Promise<void> {
    // a unit with a bracket may contain the separator
    const alone = [...missing.keys()].filter((text) => text.includes('['));
    const together = [...missing.keys()].filter((text) => !text.includes('['));
    const encodings = await this.#native.encodeBatch([together.join(` ${this.#separator} `), ...alone], {
      addSpecialTokens: false,
    });
    const [joined, ...single] = encodings.map((encoding) => new Int32Array(encoding.getIds()));
    let start = 0;
    for (const text of together) {
      let end = start;
      while (end < joined!.length && joined![end] !== this.#separatorId) end++;
      this.#add(missing.get(text)!, joined!.subarray(start, end));
      start = end + 1;
    }
    alone.forEach((text, i) => this.#add(missing.get(text)!, single[i]!));
  }

  #add({ key, hash }: Unit, ids: Int32Array): void {
    if (ids.length <= key.length) this.#table.add(key, hash, ids);
  }
}

/** About the number of units in 100,000 English passages; the table takes 6 MB. */
const MOST_UNITS = 131_072;
/** Twice the number of units, so that probes stay short; a power of two. */
const SLOTS = 2 * MOST_UNITS;
/** Total for all units: units of English passages have 7 bytes and 2 ids on average. */
const KEY_BYTES = 12 * MOST_UNITS;
const IDS = 3 * MOST_UNITS;

/**
 * A hash table from short byte strings to token ids that creates no JavaScript strings. Adding to a full table clears
 * it first. That costs few more misses than evicting the oldest units, because frequent units soon return.
 */
export class WordTable {
  /** [slots]: index of the unit plus 1, or 0 if free. */
  readonly #slots = new Int32Array(SLOTS);
  /** [units] */
  readonly #hashes = new Int32Array(MOST_UNITS);
  /** [units + 1]: start of the bytes and of the ids of each unit. */
  readonly #keyStarts = new Int32Array(MOST_UNITS + 1);
  readonly #idStarts = new Int32Array(MOST_UNITS + 1);
  readonly #keys = new Uint8Array(KEY_BYTES);
  readonly #ids = new Int32Array(IDS);
  #units = 0;

  /** Index of the unit `bytes[start, end)`, or -1. */
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

  /** Copies the ids of a unit to `target` at `at` and returns their number. */
  copyIds(unit: number, target: Int32Array, at: number): number {
    const start = this.#idStarts[unit]!;
    const count = this.#idStarts[unit + 1]! - start;
    for (let i = 0; i < count; i++) target[at + i] = this.#ids[start + i]!;
    return count;
  }

  /** Adds a unit if it is missing. Copies `key` and `ids`. */
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
