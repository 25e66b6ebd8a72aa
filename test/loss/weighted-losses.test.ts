import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RankDistillmError } from '../../src/errors.js';
import { createLoss } from '../../src/loss/create-loss.js';
import { findNonFinite } from '../../src/loss/find-non-finite.js';
import type { Loss } from '../../src/loss/loss.js';
import { weightedLosses, type WeightedLoss } from '../../src/loss/weighted-losses.js';
import { assertAllClose, centralDifferences, matrix } from '../support/losses.js';

const test = suite('several losses');
const SCORES = matrix([
  [0.5, -1, 2],
  [1, 0.25, 0],
]);
const TARGETS = matrix([
  [2, 0, 1],
  [0, 3, 1],
]);

/** A loss that returns what it is told. */
const fixed = (name: string, value: number, gradient: number[]): Loss => ({
  name,
  compute: () => ({ value, gradient: Float64Array.from(gradient) }),
});

test('value and gradient are the weighted sums, each loss is told unweighted', () => {
  const both = weightedLosses([createLoss('RankNet'), [createLoss('SupervisedMarginMSE'), 0.25]]);
  const found = both.compute(SCORES, TARGETS);
  const [rankNet, margin] = ['RankNet', 'SupervisedMarginMSE'].map((name) => createLoss(name).compute(SCORES, TARGETS));
  assert.equal(both.names, ['RankNet', 'SupervisedMarginMSE']);
  assert.equal(found.losses, { RankNet: rankNet!.value, SupervisedMarginMSE: margin!.value });
  assert.is(found.value, rankNet!.value + 0.25 * margin!.value);
  const expected = centralDifferences(
    { name: 'both', compute: (scores, targets) => both.compute(scores, targets) },
    SCORES,
    TARGETS,
  );
  assertAllClose(found.gradient, expected, { relative: 1e-6, absolute: 1e-6 }, 'gradient');
});

test('losses of a name are numbered from the second', () => {
  const names = ['RankNet', 'RankNet_2', 'RankNet', 'InfoNCE', 'RankNet'];
  const all = weightedLosses(names.map((name, i) => fixed(name, i, [])));
  assert.equal(all.names, ['RankNet', 'RankNet_2', 'RankNet_3', 'InfoNCE', 'RankNet_4']);
  assert.equal(all.compute(matrix([]), matrix([])).losses, {
    RankNet: 0,
    RankNet_2: 1,
    RankNet_3: 2,
    InfoNCE: 3,
    RankNet_4: 4,
  });
});

test('no loss is called as the sum is', () => {
  assert.equal(weightedLosses([fixed('loss', 0, [])]).names, ['loss_2']);
});

for (const [what, losses, message] of [
  ['no loss', [], /the list is empty/],
  ['a weight of NaN', [[fixed('A', 1, []), NaN]], /the weight of A is NaN/],
  ['a weight of infinity', [fixed('B', 1, []), [fixed('B', 1, []), Infinity]], /the weight of B_2 is Infinity/],
  ['something else', [fixed('A', 1, [0]), 'RankNet'], /losses\.1: it has no method "compute"/],
  ['nothing', [undefined], /losses\.0: it has no method "compute"/],
  ['a short gradient', [fixed('A', 1, [1, 2])], /losses\.0: "gradient" has 2 numbers, not 6/],
] as const) {
  test(`${what} is refused`, () => {
    try {
      weightedLosses(losses as unknown as WeightedLoss[]).compute(SCORES, TARGETS);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, RankDistillmError);
      assert.match((error as Error).message, message);
    }
  });
}

test('what is not finite is returned and can be found, nearest to the cause first', () => {
  const pair = matrix([
    [1, 2],
    [3, 4],
  ]);
  const find = (losses: Loss[], scores = pair) => findNonFinite(scores, weightedLosses(losses).compute(scores, pair));
  const good = fixed('Good', 1, [1, 1, 1, 1]);
  assert.is(find([good]), undefined);
  assert.equal(find([good, fixed('Bad', NaN, [NaN, 0, 0, 0])]), {
    what: 'Bad',
    value: NaN,
    query: undefined,
    doc: undefined,
  });
  assert.equal(find([good, fixed('Steep', 1, [0, 0, -Infinity, 0])]), {
    what: 'gradient',
    value: -Infinity,
    query: 1,
    doc: 0,
  });
  const broken = matrix([
    [1, 2],
    [3, NaN],
  ]);
  assert.equal(find([fixed('Bad', NaN, [NaN, 0, 0, 0])], broken), { what: 'score', value: NaN, query: 1, doc: 1 });
  const huge = [fixed('A', 1e308, [0, 0, 0, 0]), fixed('B', 1e308, [0, 0, 0, 0])];
  assert.equal(find(huge), { what: 'loss', value: Infinity, query: undefined, doc: undefined });
});

for (const name of ['RankNet', 'InfoNCE', 'KLDivergence', 'PearsonCorrelation', 'ApproxNDCG', 'ApproxMRR']) {
  for (const bad of [NaN, Infinity, -Infinity]) {
    test(`a score of ${bad} does not go unseen with ${name}`, () => {
      const scores = matrix([
        [1, 2, 3],
        [1, bad, 3],
      ]);
      const result = weightedLosses([createLoss(name)]).compute(scores, TARGETS);
      assert.equal(findNonFinite(scores, result), { what: 'score', value: bad, query: 1, doc: 1 });
    });
  }
}

test.run();
