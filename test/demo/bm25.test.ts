import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bm25 } from '../../scripts/demo/bm25.js';

const test = suite('BM25 of the demo');
const texts = ['a red boat', 'a red red car', 'the blue sea and a red sky', 'nothing here'];

test('scores are the formula, written out', () => {
  // N 4, `red` in 3 texts; lengths 3, 4, 7, 2: average 4
  const rarity = Math.log(1 + (4 - 3 + 0.5) / (3 + 0.5));
  const weight = (frequency: number, length: number) =>
    (rarity * frequency) / (frequency + 0.9 * (1 - 0.4 + (0.4 * length) / 4));
  const hits = new Bm25(texts).search('RED?', 10);
  assert.equal(
    hits.map(({ index }) => index),
    [1, 0, 2],
  );
  for (const [i, expected] of [weight(2, 4), weight(1, 3), weight(1, 7)].entries()) {
    assert.ok(Math.abs(hits[i]!.score - expected) < 1e-12);
  }
});

test('a rarer word weighs more, depth cuts, an unknown word finds nothing', () => {
  const index = new Bm25(texts);
  assert.is(index.search('red sea', 10)[0]!.index, 2);
  assert.is(index.search('red', 2).length, 2);
  assert.equal(index.search('green', 10), []);
});

test.run();
