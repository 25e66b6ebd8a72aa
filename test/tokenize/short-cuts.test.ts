import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSideTokenizers, cutText } from '../../src/tokenize/side-tokenizer.js';
import { isPlainBert, type LoadedTokenizer, loadTokenizer } from '../../src/tokenize/load-tokenizer.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { RoundTrip } from '../../src/tokenize/round-trip.js';
import { SideEncoder } from '../../src/tokenize/side-encoder.js';
import { nastyTexts } from './nasty-texts.js';
import { encoderOf, LIGHTNING_IR } from '../support/models.js';

/** The ways a BERT vocabulary is used: uncased, cased, cased without accents, uncased with accents. */
const SETTINGS = [
  { do_lower_case: true },
  { do_lower_case: false },
  { do_lower_case: false, strip_accents: true, tokenize_chinese_chars: false },
  { do_lower_case: true, strip_accents: false },
];
const SIZE = 300;

async function ids(tokenizer: LoadedTokenizer, text: string): Promise<number[]> {
  return (await tokenizer.native.encode(text, null, { addSpecialTokens: false })).getIds();
}

const test = suite('short cuts of the tokenizer');
let folder: string;

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rank-distillm-tokens-'));
  await copyFile(fileURLToPath(new URL('golden/uncased-vocab/vocab.txt', import.meta.url)), join(folder, 'vocab.txt'));
});

test.after(() => rm(folder, { recursive: true }));

async function load(settings: object): Promise<LoadedTokenizer> {
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(settings));
  const tokenizer = await loadTokenizer(folder, LIGHTNING_IR);
  assert.ok(isPlainBert(tokenizer));
  return tokenizer;
}

for (const settings of SETTINGS) {
  test(`${JSON.stringify(settings)}: ids that RoundTrip calls unchanging do not change`, async () => {
    const tokenizer = await load(settings);
    const roundTrip = new RoundTrip(tokenizer, SIZE);
    let long = 0;
    let changed = 0;
    for (const text of nastyTexts(1_500)) {
      const whole = await ids(tokenizer, text);
      for (const cut of [5, 17, whole.length]) {
        const before = new Int32Array(whole.slice(0, cut));
        const after = (await roundTrip.run([before]))[0]!;
        const same = before.join() === after.join();
        if (roundTrip.changes(before)) long += 1;
        else assert.ok(same, `${JSON.stringify(text)} cut at ${cut}`);
        if (!same) changed += 1;
      }
    }
    assert.ok(changed > 20 && changed <= long, `${changed} changed, ${long} the long way`);
  });

  test(`${JSON.stringify(settings)}: a text cut between words begins with the same tokens`, async () => {
    const tokenizer = await load(settings);
    let cuts = 0;
    for (const text of nastyTexts(1_500)) {
      const whole = await ids(tokenizer, text);
      for (const limit of [3, 11, 29]) {
        const piece = cutText(text, limit);
        if (piece.length === text.length) continue;
        cuts += 1;
        const cut = await ids(tokenizer, piece);
        assert.equal(cut, whole.slice(0, cut.length), `${JSON.stringify(text)} cut to ${JSON.stringify(piece)}`);
      }
    }
    assert.ok(cuts > 1_000, `only ${cuts} texts were cut`);
  });
}

test('a tokenizer with added tokens that match inside words takes no short cut', async () => {
  for (const name of ['legacy-vocab', 'cased-json', 'left-json']) {
    const other = fileURLToPath(new URL(`golden/${name}`, import.meta.url));
    assert.is(isPlainBert(await loadTokenizer(other, LIGHTNING_IR)), false, name);
  }
});

test('long texts read in part give the tokens of the whole text', async () => {
  const tokenizer = await load({ do_lower_case: true });
  const limit = 40;
  const sides = createSideTokenizers(tokenizer, { query: null, document: null, room: limit, vocabSize: SIZE });
  const encoder = new SideEncoder({ tokenizer: sides.document, cacheBytes: 1e6 });
  const texts = [
    'the lighthouse keeper '.repeat(5_000),
    `${' '.repeat(3_000)}harbour ${'river '.repeat(400)}`,
    'x'.repeat(20_000),
    `${'y'.repeat(3_000)} old island`,
    '\ufeff'.repeat(2_000) + 'the old ferry '.repeat(100),
    '中国'.repeat(3_000),
  ];
  const encoded = await encoder.encode(texts, undefined);
  for (const text of texts) {
    const whole = await ids(tokenizer, text);
    const side = encoded.get(text)!;
    assert.equal(Array.from(side.ids), whole.slice(0, limit));
    assert.ok(side.exact ? side.length === whole.length : side.length < whole.length);
    assert.is((await encoder.encodeWhole(text)).length, whole.length);
  }
});

test('of two long texts the one with more tokens keeps one more, also when both were read in part', async () => {
  await load({ do_lower_case: true });
  const pairs = await createPairTokenizer({
    folder,
    encoder: encoderOf({ vocabSize: SIZE, maxPositions: 32 }),
    pairEncoding: { kind: 'longest-first', maxLength: 32 },
  });
  const [short, long] = ['a '.repeat(1_000), 'b '.repeat(1_001)] as const;
  const cases: [string, string, number][] = [
    [short, long, 14],
    [long, short, 15],
    [short, short, 14],
  ];
  for (const [query, document, kept] of cases) {
    const [encoded] = await pairs.encodePairs([{ query, document }]);
    assert.is(encoded!.inputIds.length, 32);
    assert.is(encoded!.tokenTypeIds.filter((type) => type === 0).length, kept + 2);
  }
});

test('a cache too small for the texts changes nothing', async () => {
  const tokenizer = await load({ do_lower_case: true });
  const sides = createSideTokenizers(tokenizer, { query: null, document: 32, room: 64, vocabSize: SIZE });
  const small = new SideEncoder({ tokenizer: sides.document, cacheBytes: 1_000 });
  const large = new SideEncoder({ tokenizer: sides.document, cacheBytes: 1e6 });
  const texts = nastyTexts(200);
  const expected = await large.encode(texts, undefined);
  for (const pass of [1, 2]) {
    assert.equal(await small.encode(texts, undefined), expected, `pass ${pass}`);
    assert.equal(await large.encode(texts, undefined), expected, `pass ${pass}, from the cache`);
  }
});

test.run();
