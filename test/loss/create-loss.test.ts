import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { slotOf } from '../../src/config/schema/fields.js';
import { losses } from '../../src/config/schema/training.js';
import { RankDistillmError } from '../../src/errors.js';
import { createLoss } from '../../src/loss/create-loss.js';
import type { ScoreMatrix } from '../../src/loss/loss.js';
import { matrix } from '../support/losses.js';

const test = suite('createLoss');
const [SCORES, TARGETS] = [matrix([[0.5, -1, 2]]), matrix([[2, 0, 1]])];

function refusal(act: () => unknown): RankDistillmError {
  try {
    act();
  } catch (error) {
    if (error instanceof RankDistillmError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

for (const name of slotOf(losses)!.classes.keys()) {
  test(`${name} of the schema can be made and is called so`, () => {
    const loss = createLoss(name);
    assert.is(loss.name, name);
    assert.ok(Number.isFinite(loss.compute(SCORES, TARGETS).value));
  });
}

test("LocalizedContrastiveEstimation is InfoNCE's old name", () => {
  const loss = createLoss('LocalizedContrastiveEstimation');
  assert.is(loss.name, 'InfoNCE');
  const expected = -Math.log(Math.exp(0.5) / (Math.exp(0.5) + Math.exp(-1) + Math.exp(2)));
  assert.ok(Math.abs(loss.compute(SCORES, TARGETS).value - expected) < 1e-15);
});

test('an argument left out has the default of the schema', () => {
  const given = { temperature: 1, discount: null };
  assert.equal(
    createLoss('ApproxRankMSE').compute(SCORES, TARGETS),
    createLoss('ApproxRankMSE', given).compute(SCORES, TARGETS),
  );
});

for (const [name, initArgs, message, hint] of [
  ['RankNett', {}, /unknown loss "RankNett"/, /"RankNet".*loadUserLoss/],
  ['toString', {}, /unknown loss "toString"/, /Known: RankNet, .*loadUserLoss/],
  ['RankNet', { temperature: 0 }, /RankNet: init_args\.temperature: .*>0/, /docs\/losses\.md/],
  ['RankNet', { temperature: NaN }, /RankNet: init_args\.temperature/, /docs\/losses\.md/],
  ['RankNet', { temperatur: 1 }, /RankNet: init_args: .*"temperatur"/, /docs\/losses\.md/],
  ['InfoNCE', { temperature: 1 }, /InfoNCE: init_args: .*"temperature"/, /docs\/losses\.md/],
  ['ConstantMarginMSE', { margin: 'scores' }, /ConstantMarginMSE: init_args\.margin/, /docs\/losses\.md/],
  ['ApproxRankMSE', { discount: 'log' }, /ApproxRankMSE: init_args\.discount: .*"log2"/, /docs\/losses\.md/],
] as const) {
  test(`${name} with ${JSON.stringify(initArgs)} is refused`, () => {
    const error = refusal(() => createLoss(name, initArgs));
    assert.is(error.code, 'bad_input');
    assert.match(error.message, message);
    assert.match(error.hint!, hint);
  });
}

const NOT_USABLE: readonly (readonly [what: string, loss: string, targets: ScoreMatrix, message: RegExp])[] = [
  ['NaN', 'RankNet', matrix([[1, NaN, 2]]), /RankNet: the target of query 0 of the batch, document 1 is NaN/],
  ['infinity', 'KLDivergence', matrix([[1, 0, -Infinity]]), /KLDivergence: .*document 2 is -Infinity/],
  ['another shape', 'InfoNCE', matrix([[1, 0]]), /InfoNCE: scores of 1 x 3 need as many targets, received 1 x 2/],
  ['gains past all numbers', 'ApproxNDCG', matrix([[1, 2000, 3]]), /ApproxNDCG: query 0 of the batch.* 2\^2000/],
];

for (const [what, loss, targets, message] of NOT_USABLE) {
  test(`targets with ${what} are refused by ${loss}`, () => {
    const error = refusal(() => createLoss(loss).compute(SCORES, targets));
    assert.is(error.code, 'bad_input');
    assert.match(error.message, message);
    assert.ok(error.hint);
  });
}

test('the query of a wrong target is named', () => {
  const [scores, targets] = [
    matrix([
      [1, 2],
      [3, 4],
    ]),
    matrix([
      [1, 2],
      [3, Infinity],
    ]),
  ];
  const error = refusal(() => createLoss('ApproxMRR').compute(scores, targets));
  assert.match(error.message, /query 1 of the batch, document 1 is Infinity/);
});

test('scores and targets are not changed', () => {
  for (const name of slotOf(losses)!.classes.keys()) createLoss(name).compute(SCORES, TARGETS);
  assert.equal([...SCORES.values, ...TARGETS.values], [0.5, -1, 2, 2, 0, 1]);
});

test.run();
