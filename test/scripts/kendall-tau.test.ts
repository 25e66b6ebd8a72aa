import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kendallTau } from '../../scripts/bench/ranking.js';

const test = suite("Kendall's tau");

// scipy.stats.kendalltau(first, second).statistic, scipy 1.17; without ties tau-b is tau
const REFERENCES = [
  { first: [1, 2, 3, 4, 5], second: [1, 2, 3, 4, 5], tau: 1 },
  { first: [1, 2, 3, 4, 5], second: [5, 4, 3, 2, 1], tau: -1 },
  { first: [0.3, -1.2, 4.5, 2.2, 0.1, 9.0], second: [0.2, -2.2, 5.5, 1.9, 0.4, 4.0], tau: 0.7333333333333333 },
];

for (const { first, second, tau } of REFERENCES) {
  test(`${first.join(' ')} and ${second.join(' ')}`, () => {
    assert.ok(Math.abs(kendallTau(first, second)! - tau) < 1e-12);
  });
}

test('pairs that are tied in the first list do not count', () => {
  assert.is(kendallTau([1, 1, 2], [5, 9, 10]), 1);
  assert.is(kendallTau([1, 1], [5, 9]), undefined);
});

test.run();
