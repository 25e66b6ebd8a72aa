import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError, type ErrorCode } from '../../src/errors.js';
import { createPairTokenizer, type PairTokenizer, type TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { nastyTexts } from './nasty-texts.js';
import { encoderOf } from '../support/models.js';

const golden = fileURLToPath(new URL('golden/', import.meta.url));

interface Case {
  name: string;
  /** Golden folder to start from. */
  from: 'uncased-vocab' | 'cased-json';
  spoil?: (folder: string) => Promise<void>;
  vocabSize?: number;
  maxLength?: number;
  pairs?: TextPair[];
  signal?: AbortSignal;
  code: ErrorCode;
  message: RegExp;
}

const write = (name: string, content: string | Uint8Array) => (folder: string) =>
  writeFile(join(folder, name), content);
const config = (value: object) => write('tokenizer_config.json', JSON.stringify(value));
const edit = (name: string, change: (text: string) => string) => async (folder: string) =>
  writeFile(join(folder, name), change(await readFile(join(folder, name), 'utf8')));

const CASES: Case[] = [
  {
    name: 'no tokenizer files',
    from: 'uncased-vocab',
    spoil: (folder) => rm(join(folder, 'vocab.txt')),
    code: 'not_found',
    message: /no tokenizer\.json and no vocab\.txt/,
  },
  {
    name: 'only a sentencepiece model',
    from: 'uncased-vocab',
    spoil: async (folder) => {
      await rm(join(folder, 'vocab.txt'));
      await write('spiece.model', 'x')(folder);
    },
    code: 'unsupported',
    message: /spiece\.model/,
  },
  {
    name: 'more special tokens than a call takes arguments',
    from: 'cased-json',
    spoil: config({ additional_special_tokens: Array.from({ length: 130_000 }, (_, i) => i.toString(36)) }),
    code: 'bad_input',
    message: /added tokens: .*16384/,
  },
  {
    name: 'tokenizer.json cut short',
    from: 'cased-json',
    spoil: edit('tokenizer.json', (text) => text.slice(0, text.length / 2)),
    code: 'bad_input',
    message: /tokenizer\.json:\d+: is not JSON: [^\n]+$/,
  },
  {
    name: 'tokenizer.json is a list',
    from: 'cased-json',
    spoil: write('tokenizer.json', '[]'),
    code: 'bad_input',
    message: /JSON object/,
  },
  {
    name: 'tokenizer.json without a model',
    from: 'cased-json',
    spoil: write('tokenizer.json', '{}'),
    code: 'unsupported',
    message: /model type missing/,
  },
  {
    name: 'unknown model type',
    from: 'cased-json',
    spoil: edit('tokenizer.json', (text) =>
      text
        .replace('"WordPiece","unk', '"Quipu","unk')
        .replace('"type": "WordPiece", "unk', '"type": "Quipu", "unk')
        .replace(/"type":\s*"WordPiece",\s*"unk_token"/, '"type":"Quipu","unk_token"'),
    ),
    code: 'unsupported',
    message: /model type Quipu/,
  },
  {
    name: 'unknown pre-tokenizer',
    from: 'cased-json',
    spoil: edit('tokenizer.json', (text) => text.replace('BertPreTokenizer', 'QuipuPreTokenizer')),
    code: 'bad_input',
    message: /not a usable tokenizer/,
  },
  {
    name: 'tokenizer_config.json is not JSON',
    from: 'uncased-vocab',
    spoil: write('tokenizer_config.json', '{,}'),
    code: 'bad_input',
    message: /tokenizer_config\.json:1: is not JSON/,
  },
  {
    name: 'tokenizer class of another language',
    from: 'uncased-vocab',
    spoil: config({ tokenizer_class: 'BertJapaneseTokenizer' }),
    code: 'unsupported',
    message: /BertJapaneseTokenizer/,
  },
  {
    name: 'split_special_tokens',
    from: 'uncased-vocab',
    spoil: config({ split_special_tokens: true }),
    code: 'unsupported',
    message: /split_special_tokens/,
  },
  {
    name: 'truncation_side',
    from: 'uncased-vocab',
    spoil: config({ truncation_side: 'middle' }),
    code: 'bad_input',
    message: /truncation_side is "middle"/,
  },
  {
    name: 'vocab.txt is not UTF-8',
    from: 'uncased-vocab',
    spoil: write('vocab.txt', Uint8Array.of(0x5b, 0xff, 0xfe)),
    code: 'bad_input',
    message: /vocab\.txt: not valid UTF-8/,
  },
  {
    name: 'vocab.txt without [SEP]',
    from: 'uncased-vocab',
    spoil: edit('vocab.txt', (text) => text.replace('[SEP]\n', '')),
    code: 'bad_input',
    message: /vocab\.txt: the separator token \[SEP\] is missing/,
  },
  {
    name: 'vocab.txt is empty',
    from: 'uncased-vocab',
    spoil: write('vocab.txt', ''),
    code: 'bad_input',
    message: /vocab\.txt: the unknown token \[UNK\] is missing/,
  },
  {
    name: 'vocab.txt is a folder',
    from: 'uncased-vocab',
    spoil: async (folder) => {
      await rm(join(folder, 'vocab.txt'));
      await cp(`${golden}cased-json`, join(folder, 'vocab.txt'), { recursive: true });
    },
    code: 'io',
    message: /vocab\.txt: cannot read: is a folder/,
  },
  {
    name: "special tokens outside the model's vocabulary",
    from: 'uncased-vocab',
    vocabSize: 3,
    code: 'bad_input',
    message: /token "\[SEP\]" has id 3, but the model's vocab_size is 3/,
  },
  {
    name: "a text's token outside the model's vocabulary",
    from: 'uncased-vocab',
    vocabSize: 20,
    pairs: [{ query: 'a', document: 'z' }],
    code: 'bad_input',
    message: /token "z" has id 30, but the model's vocab_size is 20/,
  },
  {
    name: 'longer than the positions',
    from: 'uncased-vocab',
    maxLength: 65,
    code: 'bad_input',
    message: /up to 65 tokens .* 64 positions/,
  },
  {
    name: 'no room for special tokens',
    from: 'uncased-vocab',
    maxLength: 2,
    code: 'bad_input',
    message: /up to 2 tokens/,
  },
  {
    name: 'a document that is no string',
    from: 'uncased-vocab',
    pairs: [{ query: 'a', document: 'b' }, { query: 'a' } as TextPair],
    code: 'bad_input',
    message: /pair 2: document is undefined/,
  },
  {
    name: 'aborted',
    from: 'uncased-vocab',
    pairs: [{ query: 'a', document: 'b' }],
    signal: AbortSignal.abort(),
    code: 'aborted',
    message: /interrupted/,
  },
];

const test = suite('bad input of the tokenizer');
let folder: string;

test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rank-distillm-tokens-'));
});
test.after.each(() => rm(folder, { recursive: true }));

function open(given: Pick<Case, 'vocabSize' | 'maxLength'>): Promise<PairTokenizer> {
  return createPairTokenizer({
    folder,
    encoder: encoderOf({ vocabSize: given.vocabSize ?? 300, maxPositions: 64 }),
    pairEncoding: { kind: 'longest-first', maxLength: given.maxLength ?? 64 },
  });
}

for (const one of CASES) {
  test(one.name, async () => {
    await cp(`${golden}${one.from}`, folder, { recursive: true });
    await one.spoil?.(folder);
    let caught: unknown;
    try {
      await (await open(one)).encodePairs(one.pairs ?? [], one.signal);
    } catch (error) {
      caught = error;
    }
    assert.instance(caught, RankDistillmError);
    const error = caught as RankDistillmError;
    assert.is(error.code, one.code);
    assert.match(error.message, one.message);
    if (one.code !== 'aborted') assert.ok(error.hint, 'has a hint');
  });
}

test('lone surrogates count as U+FFFD, and no text crashes', async () => {
  await cp(`${golden}uncased-vocab`, folder, { recursive: true });
  const tokenizer = await open({});
  const broken = ['\ud800', 'a\udc00b', '\udc00\ud800', '\u0000', 'x\u0000\ud83d'];
  const mended = ['\ufffd', 'a\ufffdb', '\ufffd\ufffd', '\u0000', 'x\u0000\ufffd'];
  const encode = (texts: string[]) => tokenizer.encodePairs(texts.map((text) => ({ query: text, document: text })));
  assert.equal(await encode(broken), await encode(mended));
  const nasty = nastyTexts(1_000);
  const encoded = await encode(nasty);
  assert.is(encoded.length, nasty.length);
  for (const pair of encoded) {
    assert.ok(pair.inputIds.length >= 3 && pair.inputIds.length <= 64);
    assert.is(pair.inputIds.length, pair.tokenTypeIds.length);
  }
});

test('an empty list of pairs is an empty list', async () => {
  await cp(`${golden}uncased-vocab`, folder, { recursive: true });
  const tokenizer = await open({});
  assert.equal(await tokenizer.encodePairs([]), []);
  assert.is(tokenizer.maxLength, 64);
  assert.is(tokenizer.vocabSize, (await readFile(join(folder, 'vocab.txt'), 'utf8')).split('\n').length - 1);
});

test.run();
