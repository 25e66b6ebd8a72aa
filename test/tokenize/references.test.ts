import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PairEncoding } from '../../src/models/pair-encoding.js';
import { createPairTokenizer, type TextPair } from '../../src/tokenize/pair-tokenizer.js';
import { encoderOf } from '../support/models.js';

/** Ids separated by spaces, and one digit for each token type. */
type Row = [ids: string, types: string];

interface References {
  positions: number;
  vocabSize: number;
  pairs: TextPair[];
  expected: Record<
    string,
    {
      longestFirst: Record<string, Row[]>;
      crossEncoder: Row[];
      lightningIr: { queryLength: number | null; docLength: number | null; rows: Row[] }[];
    }
  >;
}

const golden = fileURLToPath(new URL('golden/', import.meta.url));
const { positions, vocabSize, pairs, expected } = JSON.parse(
  readFileSync(`${golden}expected.json`, 'utf8'),
) as References;

async function check(name: string, pairEncoding: PairEncoding, rows: Row[]): Promise<void> {
  const folder = `${golden}${name}`;
  const encoder = encoderOf({ vocabSize, maxPositions: Math.max(positions, pairEncoding.maxLength) });
  const tokenizer = await createPairTokenizer({ folder, encoder, pairEncoding });
  const encoded = await tokenizer.encodePairs(pairs);
  assert.is(encoded.length, rows.length);
  const found = encoded.map((pair): Row => [pair.inputIds.join(' '), pair.tokenTypeIds.join('')]);
  found.forEach((row, i) => {
    assert.equal(
      row,
      rows[i],
      `${JSON.stringify(pairs[i])}\nexpected ${rows[i]!.join(' | ')}\nfound    ${row.join(' | ')}`,
    );
  });
}

const test = suite('tokens against references');

for (const [name, { longestFirst, crossEncoder, lightningIr }] of Object.entries(expected)) {
  const config = JSON.parse(readFileSync(`${golden}${name}/tokenizer_config.json`, 'utf8')) as {
    model_max_length?: number;
  };
  const limit = config.model_max_length ?? Infinity;

  for (const [length, rows] of Object.entries(longestFirst)) {
    test(`${name}: transformers, longest_first to ${length}`, async () => {
      await check(name, { kind: 'longest-first', maxLength: Number(length) }, rows);
    });
  }

  test(`${name}: sentence-transformers' CrossEncoder`, async () => {
    await check(name, { kind: 'longest-first', maxLength: Math.min(limit, positions) }, crossEncoder);
  });

  for (const { queryLength, docLength, rows } of lightningIr) {
    test(`${name}: lightning-ir, query_length ${queryLength}, doc_length ${docLength}`, async () => {
      // without a limit of its own lightning-ir makes pairs longer than any model; the test lets us do so too
      await check(name, { kind: 'lightning-ir', queryLength, docLength, maxLength: Math.min(limit, 1000) }, rows);
    });
  }
}

test.run();
