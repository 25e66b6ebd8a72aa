import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { philox4x32, type Words2, type Words4 } from '../../src/random/philox.js';

const test = suite('philox');

/** The lines `philox4x32 10` of tests/kat_vectors of Random123 1.14.0: counter, key, expected words. */
const KNOWN_ANSWERS = [
  '00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8',
  'ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd',
  '243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1',
];

for (const line of KNOWN_ANSWERS) {
  test(`known answer for counter and key ${line.slice(0, 53)}`, () => {
    const words = line.split(' ').map((word) => Number.parseInt(word, 16));
    const counter = words.slice(0, 4) as unknown as Words4;
    const key = words.slice(4, 6) as unknown as Words2;
    assert.equal(philox4x32(counter, key), words.slice(6));
  });
}

/** The algorithm once more as the paper states it, with whole 64-bit products. */
function plain(counter: bigint[], key: bigint[]): bigint[] {
  const mask = 0xffffffffn;
  let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3];
}

test('two thousand counters and keys agree with 64-bit arithmetic', () => {
  let words: Words4 = [1, 2, 3, 4];
  for (let i = 0; i < 2000; i++) {
    const key: Words2 = [words[3], (i * 0x10001) >>> 0];
    const expected = plain(words.map(BigInt), key.map(BigInt)).map(Number);
    words = philox4x32(words, key);
    assert.equal([...words], expected);
  }
});

test.run();
