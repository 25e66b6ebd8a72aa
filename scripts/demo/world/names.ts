import type { Random } from '../random.js';

const ONSETS = [
  'b',
  'br',
  'd',
  'dr',
  'f',
  'g',
  'h',
  'j',
  'k',
  'l',
  'm',
  'n',
  'p',
  'qu',
  'r',
  's',
  'sk',
  't',
  'th',
  'v',
  'z',
];
const VOWELS = ['a', 'e', 'i', 'o', 'u', 'ae', 'ei', 'ou'];
const CODAS = ['', '', '', 'l', 'm', 'n', 'r', 's', 'sh', 'x'];

/** Names put together from a few dozen invented syllables; no name is given twice. */
export class NameMaker {
  readonly #random: Random;
  readonly #syllables: readonly string[];
  readonly #used = new Set<string>();

  constructor(random: Random, syllables = 60) {
    this.#random = random;
    const made = new Set<string>();
    while (made.size < syllables) made.add(random.pick(ONSETS) + random.pick(VOWELS) + random.pick(CODAS));
    this.#syllables = [...made];
  }

  /** A new name, capitalised. */
  make(syllables: number): string {
    for (;;) {
      const name = capitalise(Array.from({ length: syllables }, () => this.#random.pick(this.#syllables)).join(''));
      if (this.#claim(name)) return name;
    }
  }

  /** A new name that differs from `name` by its last letters: a near miss. */
  makeLike(name: string): string {
    for (let tries = 0; tries < 50; tries++) {
      const near = name.slice(0, -this.#random.between(1, 2)) + this.#random.pick(this.#syllables).slice(-2);
      if (this.#claim(near)) return near;
    }
    return this.make(3);
  }

  #claim(name: string): boolean {
    if (this.#used.has(name)) return false;
    this.#used.add(name);
    return true;
  }
}

export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
