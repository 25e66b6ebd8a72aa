import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { sharedPath } from '../support/shared.js';
import { encoderOf } from '../support/models.js';

interface GoldenPair {
  query: string;
  doc: string;
  input_ids: number[];
  token_type_ids: number[];
}

const test = suite('tokens of the golden pairs');
const folder = sharedPath('golden/tiny-monoelectra');
const file = sharedPath('golden/pairs.jsonl');

if (folder !== undefined && file !== undefined) {
  const golden = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as GoldenPair);

  test('all 177 have the ids and token types of lightning-ir', async () => {
    const tokenizer = await createPairTokenizer({
      folder,
      encoder: encoderOf({ vocabSize: 30522, maxPositions: 512 }),
      pairEncoding: { kind: 'lightning-ir', queryLength: 32, docLength: 256, maxLength: 512 },
    });
    const encoded = await tokenizer.encodePairs(golden.map(({ query, doc }) => ({ query, document: doc })));
    assert.is(golden.length, 177);
    assert.is(encoded.length, 177);
    golden.forEach((pair, i) => {
      assert.equal(Array.from(encoded[i]!.inputIds), pair.input_ids, `input_ids of pair ${i + 1}`);
      assert.equal(Array.from(encoded[i]!.tokenTypeIds), pair.token_type_ids, `token_type_ids of pair ${i + 1}`);
    });
  });
}

test.run();
