import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PairEncoding } from '../../src/models/pair-encoding.js';
import { createPairTokenizer, type TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { nastyTexts } from './nasty-texts.js';
import { encoderOf } from '../support/models.js';

/** Ids separated by spaces, and one digit for each token type. */
type Row = [ids: string, types: string];

/** What scripts/references/tokens.py wrote. */
type References = Record<
  string,
  {
    encoder: string;
    longestFirst: Record<string, Row[]>;
    lightningIr: { queryLength: number | null; docLength: number | null; rows: Row[] }[];
  }
>;

/** transformers' classes by the encoder's type. */
const TOKENIZERS: Record<string, string> = {
  bert: 'BertTokenizer',
  roberta: 'RobertaTokenizer',
  'xlm-roberta': 'XLMRobertaTokenizer',
};

const folders = fileURLToPath(new URL('subwords/', import.meta.url));
const read = (name: string) => JSON.parse(readFileSync(`${folders}${name}`, 'utf8')) as References;
const PAIRS = 150;
const texts = nastyTexts(2 * PAIRS).map((text) => Buffer.from(text).toString());
const pairs = Array.from({ length: PAIRS }, (_, i): TextPair => ({
  query: texts[2 * i]!,
  document: texts[2 * i + 1]!,
}));

async function check(name: string, pairEncoding: PairEncoding, rows: Row[]): Promise<void> {
  const encoder = encoderOf({ vocabSize: 1000, maxPositions: 64 });
  const tokenizer = await createPairTokenizer({ folder: `${folders}${name}`, encoder, pairEncoding });
  const encoded = await tokenizer.encodePairs(pairs);
  assert.is(rows.length, PAIRS);
  encoded.forEach(({ inputIds, tokenTypeIds }, i) => {
    const found: Row = [inputIds.join(' '), tokenTypeIds.join('')];
    const where = `pair ${i}: ${JSON.stringify(pairs[i])}\nexpected ${rows[i]!.join(' | ')}\nfound    ${found.join(' | ')}`;
    assert.equal(found, rows[i], where);
  });
}

const test = suite('tokens of byte-level BPE and Unigram');

for (const version of [4, 5]) {
  for (const [name, { encoder, longestFirst, lightningIr }] of Object.entries(read(`expected-${version}.json`))) {
    const encoderTokenizer = TOKENIZERS[encoder];
    for (const [length, rows] of Object.entries(longestFirst)) {
      test(`${name}: transformers ${version}, longest_first to ${length}`, () =>
        check(name, { kind: 'longest-first', maxLength: Number(length), encoderTokenizer }, rows));
    }
    for (const { queryLength, docLength, rows } of lightningIr) {
      test(`${name}: lightning-ir, query_length ${queryLength}, doc_length ${docLength}`, () =>
        check(name, { kind: 'lightning-ir', queryLength, docLength, maxLength: 48, encoderTokenizer }, rows));
    }
  }
}

test.run();
