import type { RandomStream } from '../../src/random/random-stream.js';

/** One of the items, uniformly. */
export function pick<T>(random: RandomStream, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

/** Lengths, counts and opcodes that parsers tend to trip over. */
const NASTY_BYTES = [
  '00',
  'ff',
  'ffff',
  'ffffffff',
  'ffffffffffffffff',
  '0000000000000080',
  '7fffffff',
  '80',
  '2e',
  '6a',
]
  .concat(['28', '74', '52', '62', '0a', '09', '22', '5c', 'c3', 'efbfbd', 'e2808b'])
  .map((hex) => Buffer.from(hex, 'hex'));

/** One to four edits, half of them in the first bytes, where headers are: bytes changed, removed, repeated, moved, cut off. */
export function mutateBytes(random: RandomStream, original: Uint8Array): Buffer {
  let bytes = Buffer.from(original);
  for (let edits = 1 + random.below(4); edits > 0 && bytes.length > 0; edits--) {
    const start = random.below(random.below(2) === 0 ? Math.min(bytes.length, 256) : bytes.length);
    const end = Math.min(bytes.length, start + 1 + random.below(16));
    const [before, piece, after] = [bytes.subarray(0, start), bytes.subarray(start, end), bytes.subarray(end)];
    switch (random.below(6)) {
      case 0:
        bytes[start] = random.below(256);
        break;
      case 1:
        bytes = Buffer.concat([before, pick(random, NASTY_BYTES), after]);
        break;
      case 2:
        bytes = Buffer.concat([before, after]);
        break;
      case 3:
        bytes = Buffer.concat([before, piece, piece, after]);
        break;
      case 4:
        bytes = Buffer.concat([before, after, piece]);
        break;
      default:
        bytes = Buffer.from(before);
    }
  }
  return bytes;
}

/** Values that stand where another kind of value is expected. */
const NASTY_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e39,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  '',
  'x',
  '\u0000',
  '../../x',
  '__proto__',
  'constructor',
  '\ud800',
  'a'.repeat(100_000),
  [],
  {},
  [null],
  [[]],
  { type: 'x' },
  Array.from({ length: 1000 }, () => 'x'),
];

type Json = { [key: string]: unknown } | unknown[];

/** All objects and arrays of a JSON value, itself first; only the first items of long ones. */
function containers(value: unknown, found: Json[] = []): Json[] {
  if (typeof value === 'object' && value !== null) {
    found.push(value as Json);
    const items = Object.values(value);
    for (const item of items.slice(0, 20)) containers(item, found);
  }
  return found;
}

/** Sets an own member, `__proto__` too. */
function set(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

/** The text of a JSON value with one to three changes: values of other kinds, missing, repeated, renamed and foreign members. */
export function mutateJson(random: RandomStream, original: unknown): string {
  const root = { value: structuredClone(original) };
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const target = pick(random, containers(root));
    const keys = Object.keys(target);
    const members = target as Record<string, unknown>;
    const key = keys.length === 0 ? '0' : pick(random, keys);
    const value = structuredClone(members[key]);
    const nasty = structuredClone(pick(random, NASTY_VALUES));
    switch (random.below(6)) {
      case 0:
      case 1:
        set(target, key, nasty);
        break;
      case 2:
        if (Array.isArray(target)) target.splice(Number(key), 1);
        else delete members[key];
        break;
      case 3:
        if (Array.isArray(target)) target.push(value, nasty);
        else set(target, pick(random, ['__proto__', 'x', `${key} `]), nasty);
        break;
      case 4:
        set(target, key, typeof value === 'number' ? value * pick(random, [-1, 1000, 1e12, 1e-9]) : [value]);
        break;
      default:
        set(target, key, keys.length === 0 ? nasty : structuredClone(members[pick(random, keys)]));
    }
  }
  return JSON.stringify(root.value ?? null);
}

const ODD_TEXTS = [
  '',
  ' ',
  '\u0000',
  '\ufeff',
  '\u200b\u200d',
  '\ud83d',
  '[SEP] [CLS] [PAD] [MASK]',
  '</s> <s> <pad>',
  'e\u0301\u0323'.repeat(50),
  '\u0627\u0644\u0644\u0651\u0647',
  '\u4e2d\u6587',
  '👨‍👩‍👧‍👦'.repeat(20),
  '\u1e9e\u0130\u01c5',
  '\ufdfa'.repeat(100),
  'a'.repeat(5000),
  '\n\r\t',
];

/** A text of odd and ordinary pieces. */
export function oddText(random: RandomStream): string {
  const count = 1 + random.below(4);
  const words = ['what is', 'the fox', '1984', "don't", '3.14', 'naïve'];
  return Array.from({ length: count }, () => pick(random, random.below(2) === 0 ? words : ODD_TEXTS)).join(' ');
}
