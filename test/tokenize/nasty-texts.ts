/** Pieces that alone or side by side have a meaning to a tokenizer or to the clean-up of decoded text. */
const PIECES = [
  ...[
    'n',
    "'",
    't',
    'n t',
    "n't",
    "n'T",
    "N'T",
    "don't",
    "do n't",
    "n'the",
    "n ' t",
    "' m",
    "'m",
    "'s",
    "'ve",
    "'re",
    "''",
    "' '",
  ],
  ...[
    '.',
    ' .',
    '?',
    ' ?',
    '!',
    ',',
    ' , ',
    '...',
    ';',
    ':',
    '-',
    '--',
    '_',
    '#',
    '##',
    '##ing',
    '# #',
    '@',
    '$',
    '%',
    '`',
    '"',
  ],
  ...[
    '[',
    ']',
    '[SEP]',
    '[CLS]',
    '[UNK]',
    '[MASK]',
    '[PAD]',
    '[sep]',
    '[ SEP ]',
    '[SEP',
    'SEP]',
    '[unused1]',
    '[[SEP]]',
  ],
  ...[
    'a',
    'I',
    'the',
    'do',
    'not',
    'don',
    'can',
    'is',
    'ing',
    'unaffable',
    'Xylophonist',
    'x'.repeat(101),
    'qzxj',
    '0',
    '3.14',
    '1,000',
  ],
  ...[
    'é',
    'e\u0301',
    '\u0301',
    'ﬁ',
    'ß',
    'ẞ',
    'İ',
    'ı',
    'Ω',
    'ς',
    'Σ',
    'ΑΣ',
    'Å',
    'ǅ',
    'ſ',
    '½',
    '①',
    'Ⅷ',
    'ｗｉｄｅ',
    'ﬄ',
    'ŉ',
    'ʼn',
  ],
  ...[
    '中',
    '国',
    '中国',
    '豈',
    '丽',
    '々',
    'の',
    'カタカナ',
    'が',
    'か\u3099',
    '한국',
    '각',
    'ᄒ',
    '、',
    '。',
    '「',
    '𠀀',
    '𪛖',
    '\u302e',
    '\u302f',
  ],
  ...[
    'арабский',
    'й',
    'العربية',
    'עִבְרִית',
    'हिन्दी',
    'ดี',
    'தமிழ்',
    'ไทย',
    '\u0e33',
    '\u0f73',
    '\ud834\udd65',
    '\ud834\udd6d',
  ],
  ...[
    '\u0000',
    '\u0007',
    '\u000b',
    '\f',
    '\u0085',
    '\u00a0',
    '\u00ad',
    '\u200b',
    '\u200d',
    '\u2028',
    '\u3000',
    '\ufeff',
    '\ufffd',
    '\u034f',
  ],
  ...[
    '😀',
    '👩‍👧',
    '🏳️‍🌈',
    '🇩🇪',
    '\ue000',
    '\u{10ffff}',
    '\ud800',
    '\udc00',
    '≠',
    '¿',
    '’',
    '“',
    '…',
    '–',
    '−',
    '×',
    '´',
    '\u037e',
    '\u1fef',
  ],
];
const GLUE = ['', '', ' ', ' ', ' ', '  ', '\t', '\n'];

/** The same `count` texts on every run: pieces at random, with and without space between them. */
export function nastyTexts(count: number): string[] {
  const random = generator(20261124);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  return Array.from({ length: count }, () => {
    const length = 1 + Math.floor(random() * 24);
    // few kinds of pieces in a text make rare neighbours likely
    const kinds = Array.from({ length: 2 + Math.floor(random() * 8) }, () => pick(PIECES));
    let text = '';
    for (let i = 0; i < length; i++) text += pick(GLUE) + (random() < 0.3 ? pick(NOT_WORDS) : pick(kinds));
    return text;
  });
}

/** What the one rule of the clean-up that changes ids is made of. */
const NOT_WORDS = ['n', "'", 't', ' n ', " ' ", "n't", 'the'] as const;

/** Mulberry32, a small seeded generator of numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
