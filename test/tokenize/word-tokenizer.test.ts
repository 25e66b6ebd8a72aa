import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer, type LoadedTokenizer } from '../../src/tokenize/load-tokenizer.js';
import { WordTable, WordTokenizer } from '../../src/tokenize/word-tokenizer.js';
import { sharedPath } from '../support/shared.js';
import { nastyTexts } from './nasty-texts.js';
import { LIGHTNING_IR } from '../support/models.js';

const BATCH = 64;
const SETTINGS = [
  { do_lower_case: true },
  { do_lower_case: false },
  { do_lower_case: false, strip_accents: true, tokenize_chinese_chars: false },
  { do_lower_case: true, strip_accents: false },
];
/** Side by side with a space, a mark or nothing between them. */
const NEIGHBOURS = [
  ...['[', ']', '[SEP]', '[UNK]', '[CLS]x', '\u0301', '\u00a0', '\u3000', '\f', '\u0000', '\ufeff', '\u200d', 'ΑΣ'],
  ...['.', ':', "'", '_', '-', '`', '~', '中', 'é', 'e\u0301', '\ud800', '\udc00', '\u{10ffff}', 'İ', '\r', '\u0085'],
];

const test = suite('texts taken apart into words');
const golden = sharedPath('golden/tiny-monoelectra');
const collection = sharedPath('data/trec-dl-2021/collection.tsv');
let folder: string;

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rank-distillm-tokens-'));
  await copyFile(fileURLToPath(new URL('golden/uncased-vocab/vocab.txt', import.meta.url)), join(folder, 'vocab.txt'));
});
test.after(() => rm(folder, { recursive: true }));

/** Holds the ids of every text against those the tokenizer gives for it as a whole; returns how many were taken apart. */
async function compare(tokenizer: LoadedTokenizer, texts: readonly string[]): Promise<number> {
  const words = WordTokenizer.for(tokenizer)!;
  let apart = 0;
  for (let at = 0; at < texts.length; at += BATCH) {
    const batch = texts.slice(at, at + BATCH);
    const ids = await words.tokenize(batch);
    const whole = await tokenizer.native.encodeBatch(batch, { addSpecialTokens: false });
    batch.forEach((text, i) => {
      const found = ids[i];
      if (found === undefined) return;
      apart += 1;
      assert.is(found.join(), whole[i]!.getIds().join(), JSON.stringify(text));
    });
  }
  return apart;
}

for (const settings of SETTINGS) {
  test(`${JSON.stringify(settings)}: have the ids of the whole text`, async () => {
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(settings));
    const tokenizer = await loadTokenizer(folder, LIGHTNING_IR);
    const nasty = nastyTexts(3_000);
    assert.ok((await compare(tokenizer, nasty)) > 2_000, 'too few were taken apart');
    const neighbours = NEIGHBOURS.flatMap((a) =>
      NEIGHBOURS.flatMap((b) => ['', ' ', '.', '\t'].map((glue) => `The ${a}${glue}${b} river${a}${b}`)),
    );
    assert.is(await compare(tokenizer, neighbours), neighbours.length);
  });
}

if (golden !== undefined && collection !== undefined) {
  test('TREC passages have the ids of the whole text', async () => {
    const lines = readFileSync(collection, 'utf8').split('\n').slice(0, 4_000);
    const texts = lines.map((line) => line.slice(line.indexOf('\t') + 1));
    const apart = await compare(await loadTokenizer(golden, LIGHTNING_IR), texts);
    assert.ok(apart > 0.99 * texts.length, `${apart} of ${texts.length} were taken apart`);
  });
}

test('tokenizers that are not plain BERT are left alone', async () => {
  for (const name of ['legacy-vocab', 'cased-json', 'left-json']) {
    const other = fileURLToPath(new URL(`golden/${name}`, import.meta.url));
    assert.is(WordTokenizer.for(await loadTokenizer(other, LIGHTNING_IR)), undefined, name);
  }
});

test('a long text and one with a long word are tokenized as wholes', async () => {
  const words = WordTokenizer.for(await loadTokenizer(folder, LIGHTNING_IR))!;
  const [long, longWord, short] = await words.tokenize(['a '.repeat(20_000), `a ${'b'.repeat(49)}`, 'b'.repeat(48)]);
  assert.is(long, undefined);
  assert.is(longWord, undefined);
  assert.ok(short !== undefined && short.length > 0);
});

test('a table that is full begins again, and what it finds is right', () => {
  const table = new WordTable();
  const target = new Int32Array(3);
  const keyOf = (i: number) => new TextEncoder().encode(`word ${i}`);
  const hashOf = (i: number) => Math.imul(i >> 2, 0x9e3779b1); // four share one
  let kept = 0;
  const count = 300_000;
  for (let i = 0; i < count; i++) table.add(keyOf(i), hashOf(i), Int32Array.of(i, i + 1, i + 2).subarray(0, i % 4));
  for (let i = 0; i < count; i++) {
    const key = keyOf(i);
    const unit = table.find(key, 0, key.length, hashOf(i));
    if (unit < 0) continue;
    kept += 1;
    const ids = [...target.subarray(0, table.copyIds(unit, target, 0))];
    assert.equal(ids, [i, i + 1, i + 2].slice(0, i % 4));
  }
  assert.ok(kept > 0 && kept < count, `${kept} kept`);
  const last = keyOf(count - 1);
  assert.ok(table.find(last, 0, last.length, hashOf(count - 1)) >= 0, 'the last one is there');
});

test.run();
