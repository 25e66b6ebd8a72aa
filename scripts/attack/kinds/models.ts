import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import type { RandomStream } from '../../../src/random/random-stream.js';
import { isJsonObject } from '../../../src/io/text.js';
import { copyFolder } from '../../../test/support/files.js';
import { REFERENCES } from '../../../test/support/models.js';
import { Broken, type Kind } from '../kind.js';
import { mutateBytes, mutateJson, oddText, pick } from '../mutate.js';

/** Tokenizer parts of every kind that the library knows, to put in the place of a model's own. */
const PARTS: Readonly<Record<string, readonly unknown[]>> = {
  normalizer: [
    { type: 'Sequence', normalizers: [{ type: 'NFD' }, { type: 'Lowercase' }, { type: 'StripAccents' }] },
    { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'NFKC' }, { type: 'Nmt' }] },
    { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
    { type: 'Replace', pattern: { String: 'a' }, content: '' },
    { type: 'Replace', pattern: { Regex: '(a|a)*$' }, content: 'x' },
    { type: 'Strip', strip_left: true, strip_right: true },
    { type: 'ByteLevel' },
    { type: 'Prepend', prepend: '' },
    { type: 'Precompiled', precompiled_charsmap: 'AAQAAAAgAAAJCQAA' },
  ],
  pre_tokenizer: [
    { type: 'Split', pattern: { String: 'x' }, behavior: 'MergedWithNext', invert: true },
    { type: 'Split', pattern: { Regex: String.raw`\s+` }, behavior: 'Contiguous', invert: false },
    { type: 'FixedLength', length: 3 },
    { type: 'FixedLength', length: 0 },
    { type: 'UnicodeScripts' },
    { type: 'CharDelimiterSplit', delimiter: ' ' },
    { type: 'Sequence', pretokenizers: [{ type: 'Whitespace' }, { type: 'Digits', individual_digits: true }] },
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false },
    { type: 'Punctuation', behavior: 'Removed' },
    { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: false },
  ],
  decoder: [
    { type: 'Strip', content: 'a', start: 1, stop: 0 },
    { type: 'Strip', content: 'a', start: 1, stop: 1 },
    { type: 'BPEDecoder', suffix: '' },
    { type: 'CTC', pad_token: '', word_delimiter_token: '', cleanup: true },
    { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] },
    { type: 'Replace', pattern: { String: '##' }, content: '' },
  ],
  post_processor: [
    { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
    { type: 'RobertaProcessing', sep: ['x', 3], cls: ['y', 2], trim_offsets: true, add_prefix_space: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
    { type: 'Sequence', processors: [] },
    { type: 'TemplateProcessing', single: [], pair: [], special_tokens: {} },
  ],
  model: [
    { type: 'WordLevel', unk_token: 'a', vocab: { a: 0, b: 1 } },
    { type: 'BPE', unk_token: 'a', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'], byte_fallback: true },
    { type: 'BPE', vocab: { a: 0, '##b': 1, ab: 2 }, merges: [['a', '##b']], continuing_subword_prefix: '##' },
    { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [['a', 'b']], continuing_subword_prefix: '####' },
    { type: 'Unigram', unk_id: 0, vocab: Array.from({ length: 100 }, (_, i) => ['a'.repeat(i), -i]) },
    {
      type: 'WordPiece',
      unk_token: 'a',
      continuing_subword_prefix: '',
      max_input_chars_per_word: 1e9,
      vocab: { a: 0 },
    },
  ],
  added_tokens: [
    [
      { id: 0, content: ' ', single_word: false, lstrip: true, rstrip: false, normalized: false, special: false },
      { id: 1, content: 'a', single_word: true, lstrip: false, rstrip: true, normalized: true, special: true },
    ],
  ],
};

type Change = (random: RandomStream, folder: string) => void;

const TOKENIZERS = new URL('../../../test/tokenize/subwords/', import.meta.url).pathname;

/** The tokenizer of a model of another family. */
const changeFamily: Change = (random, folder) => {
  const other = join(TOKENIZERS, pick(random, ['roberta', 'roberta-merges', 'xlm-roberta', 'bert-untyped']));
  // an earlier change may have made folders or links of these files
  for (const name of readdirSync(other)) rmSync(join(folder, name), { force: true, recursive: true });
  copyFolder(other, folder);
};

/** The JSON of a file; undefined if an earlier change broke it. */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** A tokenizer.json with some of its parts replaced by others, and then changed at places. */
const changeTokenizer: Change = (random, folder) => {
  const path = join(folder, 'tokenizer.json');
  const tokenizer = readJson(path);
  if (!isJsonObject(tokenizer)) return;
  for (let count = random.below(3); count > 0; count--) {
    const part = pick(random, Object.keys(PARTS));
    tokenizer[part] = pick(random, PARTS[part]!);
  }
  writeFileSync(path, random.below(2) === 0 ? JSON.stringify(tokenizer) : mutateJson(random, tokenizer));
};

const changeJson: Change = (random, folder) => {
  const path = join(
    folder,
    pick(
      random,
      readdirSync(folder).filter((name) => name.endsWith('.json')),
    ),
  );
  const value = readJson(path);
  if (value !== undefined) writeFileSync(path, mutateJson(random, value));
};

const changeBytes: Change = (random, folder) => {
  const path = join(folder, pick(random, readdirSync(folder)));
  if (statSync(path).isFile()) writeFileSync(path, mutateBytes(random, readFileSync(path)));
};

/** A file of another kind, or far too large, under a name that a model folder may have. */
const replaceFile: Change = (random, folder) => {
  const path = join(folder, pick(random, [...readdirSync(folder), 'modules.json', 'special_tokens_map.json']));
  const content = pick<() => Buffer | undefined>(random, [
    () => undefined,
    () => Buffer.alloc(0),
    () => Buffer.from('['.repeat(1_000_000)),
    () => Buffer.from(`[${'[],'.repeat(1_000_000)}[]]`),
    () => Buffer.from(`{"model": {"vocab": {${'"a":0,'.repeat(500_000)}"b":1}}}`),
    () => Buffer.from(`"${'a'.repeat(4_000_000)}"`),
    () => deflateRawSync(Buffer.alloc(1_000_000)),
  ])();
  rmSync(path, { force: true, recursive: true });
  if (content === undefined) mkdirSync(path);
  else writeFileSync(path, content);
};

/** Files that add to config.json and the tokenizer, with values of any kind. */
const addFile: Change = (random, folder) => {
  const [name, value] = pick<[string, unknown]>(random, [
    ['special_tokens_map.json', { cls_token: '[CLS]', sep_token: { content: '[SEP]', lstrip: true }, mask_token: 'a' }],
    ['added_tokens.json', { '[NEW]': 9, ' ': 4, b: -1 }],
    ['modules.json', [{ idx: 0, name: '0', path: '', type: 'sentence_transformers.cross_encoder.Transformer' }]],
    [
      'config_sentence_transformers.json',
      { model_type: 'CrossEncoder', prompts: { a: 'b' }, default_prompt_name: 'a' },
    ],
    ['sentence_bert_config.json', { max_seq_length: 16, do_lower_case: true, processing_kwargs: { text: {} } }],
    ['tokenizer_config.json', { tokenizer_class: 'BertTokenizer', added_tokens_decoder: { 5: { content: 'x' } } }],
    ['adapter_config.json', {}],
    ['model.safetensors.index.json', { weight_map: { a: 'model.safetensors', b: '../x' } }],
    ['vocab.txt', 'a\nb'],
  ]);
  rmSync(join(folder, name), { force: true, recursive: true });
  writeFileSync(join(folder, name), random.below(2) === 0 ? JSON.stringify(value) : mutateJson(random, value));
};

const CHANGES: readonly Change[] = [
  changeFamily,
  changeTokenizer,
  changeTokenizer,
  changeJson,
  changeJson,
  changeBytes,
  replaceFile,
  addFile,
];

/** Every model folder with a tokenizer among the tests' references. */
const ORIGINALS = readdirSync(REFERENCES)
  .map((name) => join(REFERENCES, name))
  .filter((folder) => existsSync(join(folder, 'tokenizer.json')));

export const kind: Kind = {
  name: 'mutated model folders',
  tries: { full: 100_000, short: 300 },
  open({ api, folder }) {
    const model = join(folder, 'model');
    return async (random) => {
      rmSync(model, { recursive: true, force: true });
      copyFolder(pick(random, ORIGINALS), model);
      for (let count = 1 + random.below(2); count > 0; count--) pick(random, CHANGES)(random, model);
      const label = random.below(20) === 0 ? 0 : undefined;
      const loaded = await api.CrossEncoder.load(model, { threads: 1, label, onWarning: () => undefined });
      try {
        const pairs = Array.from({ length: 4 }, () => ({ query: oddText(random), document: oddText(random) }));
        const scores = await loaded.score(pairs);
        if (scores.length !== pairs.length || scores.some(Number.isNaN))
          throw new Broken(`scores are ${scores.join()}`);
      } finally {
        await loaded.close();
      }
    };
  },
};
