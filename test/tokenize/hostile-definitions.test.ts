import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkDefinition } from '../../src/tokenize/check-definition.js';
import { buildTokenizer, type TokenizerDescription } from '../../src/tokenize/load-tokenizer.js';
import { tryTokenizer } from '../../src/tokenize/trial.js';
import { refuses } from '../support/errors.js';
import { useOwnCache } from '../support/files.js';

// Each definition makes the tokenizers library panic, which aborts the process, or take time or memory without end:
// some of them only for a text such as those named here.

const read = (folder: string): Record<string, unknown> =>
  JSON.parse(
    readFileSync(fileURLToPath(new URL(`subwords/${folder}/tokenizer.json`, import.meta.url)), 'utf8'),
  ) as Record<string, unknown>;

const bert = read('bert-5');
const roberta = read('roberta');
const xlm = read('xlm-roberta');
const template = bert['post_processor'] as { single: unknown[]; pair: unknown[]; special_tokens: object };
const bpe = roberta['model'] as { vocab: Record<string, number>; merges: unknown[] };
const unigram = xlm['model'] as { vocab: unknown[] };
const charsmap = Buffer.from(
  (xlm['normalizer'] as { normalizers: [{ precompiled_charsmap: string }] }).normalizers[0].precompiled_charsmap,
  'base64',
);
const precompiled = (bytes: Buffer) => ({
  normalizer: { type: 'Precompiled', precompiled_charsmap: bytes.toString('base64') },
});
const spoiled = (change: (bytes: Buffer) => void) => {
  const bytes = Buffer.from(charsmap);
  change(bytes);
  return precompiled(bytes);
};
const sequence = (...normalizers: unknown[]) => ({ normalizer: { type: 'Sequence', normalizers } });
const grown = { type: 'Replace', pattern: { String: 'a' }, content: 'aaaaaaaaaa' };

const CASES: [name: string, base: object, change: object, message: RegExp][] = [
  [
    'a template with a token that is not defined',
    bert,
    { post_processor: { ...template, special_tokens: {} } },
    /post_processor: special_tokens: does not define "\[CLS\]"/,
  ],
  [
    'a template of one text with the second',
    bert,
    { post_processor: { ...template, single: [{ Sequence: { id: 'B', type_id: 0 } }] } },
    /single/,
  ],
  [
    'a template after a template',
    bert,
    { post_processor: { type: 'Sequence', processors: [template, template] } },
    /only ByteLevel may come before/,
  ],
  ['rules that are empty', xlm, { normalizer: { type: 'Precompiled', precompiled_charsmap: '' } }, /has no trie/],
  ['rules of more units than there are', xlm, spoiled((bytes) => bytes.writeUInt32LE(2 ** 31, 0)), /has no trie/],
  [
    'rules that leave the trie, at a text that starts with a certain byte',
    xlm,
    spoiled((bytes) => bytes.writeUInt32LE(0x7fffffff, 4)),
    /leaves the trie at unit 0/,
  ],
  [
    'rules whose replacements are cut off',
    xlm,
    spoiled((bytes) => bytes.fill(0xff, bytes.readUInt32LE(0) + 4)),
    /not UTF-8/,
  ],
  [
    'rules that make 63 bytes of a character',
    xlm,
    precompiled(Buffer.concat([charsmap.subarray(0, charsmap.readUInt32LE(0) + 4), Buffer.alloc(63, 'a')])),
    /has no replacement for unit/,
  ],
  ['an empty prefix before each text', bert, { normalizer: { type: 'Prepend', prepend: '' } }, /prepend: is empty/],
  [
    'a replacement of nothing',
    bert,
    sequence({ type: 'Replace', pattern: { String: '' }, content: 'x' }, { type: 'NFD' }),
    /pattern/,
  ],
  [
    'an expression that takes exponential time',
    bert,
    { pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false } },
    /pattern/,
  ],
  ['replacements that grow a text a million times', bert, sequence(...Array<unknown>(6).fill(grown)), /too long/],
  [
    'a replacement that grows a text five times, of which the library makes gigabytes',
    bert,
    sequence({ ...grown, content: 'aaaaa' }),
    /too long/,
  ],
  ['chunks of no length', bert, { pre_tokenizer: { type: 'FixedLength', length: 0 } }, /length/],
  ['a decoder that strips past itself', bert, { decoder: { type: 'Strip', content: 'a', start: 1, stop: 1 } }, /stop/],
  [
    'merges to a token longer than all others',
    roberta,
    { model: { ...bpe, vocab: { a: 0, b: 1 }, merges: ['a b'] } },
    /merges\.0: gives a token/,
  ],
  [
    'a merge whose second part is shorter than the prefix',
    roberta,
    { model: { ...bpe, continuing_subword_prefix: '####' } },
    /merges\.0: has a second part without the prefix/,
  ],
  ['merges at random', roberta, { model: { ...bpe, dropout: 0.5 } }, /dropout: tokens would be random/],
  [
    'a token of a megabyte, through which the library recurses',
    xlm,
    { model: { ...unigram, vocab: [...unigram.vocab, ['a'.repeat(2 ** 20), -1]] } },
    /has more than 128 characters/,
  ],
  [
    'words of a million characters, in quadratic time',
    bert,
    { model: { ...(bert['model'] as object), max_input_chars_per_word: 1e6 } },
    /max_input_chars_per_word/,
  ],
];

const test = suite('hostile-definitions');
useOwnCache(test);

for (const [name, base, change, message] of CASES) {
  test(`${name} is refused`, async () => {
    checkDefinition(base, 'tokenizer.json');
    await refuses(() => checkDefinition({ ...base, ...change }, 'tokenizer.json'), 'bad_input', message);
  });
}

/** As loadTokenizer describes one, without the check of the definition. */
const described = (change: object): TokenizerDescription => ({
  definition: { ...bert, ...change } as unknown as TokenizerDescription['definition'],
  toAdd: [],
  addedTokens: [],
  cleanUp: false,
  truncationSide: 'right',
  tokenTypes: true,
  file: 'tokenizer.json',
  unusual: true,
});

test('a definition that passes the check but makes the library abort ends only its trial', async () => {
  const chunks = described({ pre_tokenizer: { type: 'FixedLength', length: 0 } });
  await refuses(
    () => tryTokenizer(chunks),
    'bad_input',
    /tokenizer\.json: not a usable .* ends the process \(SIGABRT\)/,
  );
});

test('an unusual definition that passes its trial is not tried again', async () => {
  const scripts = described({ pre_tokenizer: { type: 'UnicodeScripts' } });
  await tryTokenizer(scripts);
  const folder = join(process.env['XDG_CACHE_HOME']!, 'rank-distillm', 'tokenizers');
  assert.is(readdirSync(folder).length, 1);
  const { execPath } = process;
  process.execPath = '/nowhere/node';
  try {
    await tryTokenizer(scripts);
    await refuses(() => tryTokenizer(described({})), 'native', /cannot start \/nowhere\/node/);
  } finally {
    process.execPath = execPath;
  }
});

test('added tokens that could overlap in a text are refused', async () => {
  const token = { single_word: false, normalized: false, special: false };
  const addedTokens = [
    { ...token, content: ' ', lstrip: true, rstrip: false },
    { ...token, content: 'a', lstrip: false, rstrip: true },
  ];
  const overlapping = { ...described({}), addedTokens };
  await refuses(
    () => buildTokenizer(overlapping),
    'bad_input',
    /added token " " strips white space and is nothing else/,
  );
});

test('an added token that is empty once it is normalized is refused', async () => {
  const surrogate = {
    content: '\ud800',
    single_word: false,
    normalized: true,
    special: false,
    lstrip: false,
    rstrip: false,
  };
  const empty = { ...described({}), addedTokens: [surrogate] };
  await refuses(() => buildTokenizer(empty), 'bad_input', /added token "\\ud800" is empty once it is normalized/);
});

test.run();
