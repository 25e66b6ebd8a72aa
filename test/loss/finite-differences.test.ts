import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../scripts/demo/random.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { ScoreMatrix } from '../../src/loss/loss.js';
import { assertAllClose, centralDifferences, differences, matrix } from '../support/losses.js';

const test = suite('losses, gradients against finite differences');
const random = new Random(11);

const LOSSES: readonly (readonly [name: string, initArgs: Record<string, unknown>])[] = [
  ['RankNet', {}],
  ['RankNet', { temperature: 2.5 }],
  ['InfoNCE', {}],
  ['KLDivergence', {}],
  ['PearsonCorrelation', {}],
  ['ConstantMarginMSE', { margin: 0.5 }],
  ['SupervisedMarginMSE', {}],
  ['ApproxNDCG', {}],
  ['ApproxNDCG', { scale_gains: false, temperature: 0.5 }],
  ['ApproxMRR', {}],
  ['ApproxMRR', { temperature: 0.5 }],
  ['ApproxRankMSE', {}],
  ['ApproxRankMSE', { discount: 'log2' }],
  ['ApproxRankMSE', { discount: 'reciprocal', temperature: 0.5 }],
];

const filled = (queries: number, docs: number, draw: () => number): ScoreMatrix => ({
  queries,
  docs,
  values: Float64Array.from({ length: queries * docs }, draw),
});
const spread = () => (random.next() + random.next() + random.next() - 1.5) * 4;
const grade = () => Math.floor(random.next() * 4);
const fraction = () => random.next();

const BATCHES: Readonly<Record<string, readonly [scores: ScoreMatrix, targets: ScoreMatrix]>> = {
  'random targets': [filled(3, 9, spread), filled(3, 9, fraction)],
  'a list of 100': [filled(1, 100, spread), filled(1, 100, fraction)],
  'tied targets': [filled(3, 9, spread), filled(3, 9, grade)],
  'tied scores': [filled(3, 9, grade), filled(3, 9, fraction)],
  'tied scores and targets': [
    matrix([
      [1, 1, 0, 0, 2, 2],
      [0, 3, 0, 3, 0, 0],
    ]),
    matrix([
      [1, 0, 0, 1, 2, 2],
      [0, 1, 0, 2, 1, 0],
    ]),
  ],
  'one document': [filled(3, 1, spread), filled(3, 1, grade)],
  'equal targets': [filled(2, 6, spread), filled(2, 6, () => 0.1)],
  'nothing relevant': [filled(2, 6, spread), filled(2, 6, () => 0)],
  'one list of equal targets': [
    filled(2, 4, spread),
    matrix([
      [1, 1, 1, 1],
      [3, 0, 1, 2],
    ]),
  ],
  'no query': [filled(0, 4, spread), filled(0, 4, spread)],
};

for (const [kind, [scores, targets]] of Object.entries(BATCHES)) {
  for (const [name, initArgs] of LOSSES) {
    test(`${kind}: ${name} ${JSON.stringify(initArgs)}`, () => {
      const loss = createLoss(name, initArgs);
      const { value, gradient } = loss.compute(scores, targets);
      assert.ok(Number.isFinite(value), `value ${value}`);
      const expected = centralDifferences(loss, scores, targets);
      assertAllClose(gradient, expected, { relative: 1e-6, absolute: 1e-6 }, 'gradient');
      // every loss depends on differences of scores only
      const sum = gradient.reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum) < 1e-12 * Math.max(1, ...gradient.map(Math.abs)), `sum of the gradient ${sum}`);
    });
  }
}

test('ApproxMRR where three documents share the maximum: between the one-sided differences', () => {
  const [scores, targets] = [matrix([[1, 1, 1, 0, 2]]), matrix([[1, 2, 1, 1, 0]])];
  const loss = createLoss('ApproxMRR');
  const { gradient } = loss.compute(scores, targets);
  const [left, right] = [-1e-6, 1e-6].map((step) => differences(loss, scores, targets, step));
  gradient.forEach((slope, i) => {
    const [low, high] = [Math.min(left![i]!, right![i]!), Math.max(left![i]!, right![i]!)];
    assert.ok(low - 1e-6 <= slope && slope <= high + 1e-6, `${i}: ${low} ${slope} ${high}`);
  });
  assert.is(gradient[0], gradient[1]);
  assert.is(gradient[0], gradient[2]);
});

test('PearsonCorrelation has no slope where all scores are equal', () => {
  const { value, gradient } = createLoss('PearsonCorrelation').compute(matrix([[0.1, 0.1, 0.1]]), matrix([[3, 1, 2]]));
  assert.is(value, 1);
  assert.equal([...gradient], [0, 0, 0]);
});

test.run();
