import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { refineTop, type FinerStage } from '../../src/engine/refine.js';
import { Random } from '../../scripts/demo/random.js';

const test = suite('refineTop');

/** Indices of the best, equal scores in their order; NaN last. */
function best(scores: ArrayLike<number>, count: number): number[] {
  const key = (i: number): number => (Number.isNaN(scores[i]!) ? -Infinity : scores[i]!);
  return Array.from(scores, (_, i) => i)
    .sort((a, b) => (key(a) === key(b) ? a - b : key(b) - key(a)))
    .slice(0, count);
}

const asSet = (indices: readonly number[]): number[] => [...indices].sort((a, b) => a - b);

/** Finer scores, and given ones that are off by at most `bound`. */
function drawn(
  random: Random,
  count: number,
  bound: number,
  step: number,
): { exact: Float32Array; given: Float32Array } {
  // steps make ties
  const exact = Float32Array.from({ length: count }, () => Math.round(random.normal() / step) * step);
  const given = exact.map((score) => score + (2 * random.next() - 1) * bound);
  return { exact, given };
}

/** One stage that scores by a list. */
const by = (exact: ArrayLike<number>, asked: number[] = []): FinerStage => ({
  bound: 0,
  score: (indices) => {
    asked.push(...indices);
    return Promise.resolve(indices.map((index) => exact[index]!));
  },
});

test('the top K is that of the last stage wherever the bounds hold, ties included', async () => {
  const random = new Random(1);
  for (let i = 0; i < 3000; i++) {
    const count = 1 + random.below(60);
    const topK = random.below(count + 2);
    const bound = random.pick([0, 0.01, 0.1, 1]);
    const { exact, given } = drawn(random, count, bound, random.pick([1e-4, 0.1, 1]));
    // rounding the given scores to float32 adds a little
    const between = bound / random.pick([3, 100]) + 1e-6;
    const middle = exact.map((score) => score + (2 * random.next() - 1) * (between - 1e-6));
    const stages = i % 2 === 0 ? [by(exact)] : [{ ...by(middle), bound: between }, by(exact)];
    const { scores, rescored, inLast, errors } = await refineTop(given, { topK, bound: bound + 1e-6, stages });
    assert.equal(asSet(best(scores, topK)), asSet(best(exact, topK)));
    assert.ok(errors.every(({ exceeded }) => exceeded === 0));
    assert.is(new Set(rescored).size, rescored.length);
    const last = rescored.filter((index) => scores[index] === exact[index]).length;
    assert.ok(stages.length === 1 ? inLast === rescored.length : inLast <= last);
  }
});

test('few documents are scored again, two where the cut is clear, and none where there is no cut', async () => {
  const random = new Random(2);
  const { exact, given } = drawn(random, 1000, 0.05, 1e-6);
  const asked: number[] = [];
  const stages = [by(exact, asked)];
  await refineTop(given, { topK: 100, bound: 0.05, stages });
  assert.ok(asked.length > 0 && asked.length < 60, String(asked.length));
  asked.length = 0;
  await refineTop([0, 5, 1, 4], { topK: 2, bound: 0.5, stages: [by([0, 0, 1.2, 4.2], asked)] });
  assert.equal(asked, [3, 2]);
  asked.length = 0;
  await refineTop(given, { topK: 1000, bound: 0.01, stages });
  await refineTop(given, { topK: 0, bound: 0.01, stages });
  assert.equal(asked, []);
});

test('the last stage scores only what the stage before leaves in doubt', async () => {
  const random = new Random(3);
  const { exact, given } = drawn(random, 1000, 0.1, 1e-6);
  const middle = exact.map((score) => score + (2 * random.next() - 1) * 0.001);
  const [first, last]: [number[], number[]] = [[], []];
  const stages = [{ ...by(middle, first), bound: 0.001 }, by(exact, last)];
  const { scores, inLast } = await refineTop(given, { topK: 100, bound: 0.1, stages });
  assert.equal(asSet(best(scores, 100)), asSet(best(exact, 100)));
  assert.is(inLast, last.length);
  assert.ok(first.length > 20 && last.length <= first.length / 5, `${first.length} and ${last.length}`);
  for (const index of last) assert.ok(first.includes(index));
});

test('an error above the bound raises it, and what seemed certain is looked at again', async () => {
  // document 2 is off by more than the bound, and in truth the best: only the raised bound finds it
  const exact = [1, 0.9, 2, 0.1];
  const given = [1.04, 1.6, 0.2, 0.1];
  const one = await refineTop(given, { topK: 1, bound: 0.3, stages: [by(exact)] });
  assert.ok(one.errors[0]!.exceeded > 0);
  assert.equal(best(one.scores, 1), [2]);
  // the same of a stage between: documents 0 and 1 show that its bound is wrong
  const middle = [1.3, 1.25, 0.9, 0.1];
  const two = await refineTop([1.3, 1.25, 0.9, 0.1], {
    topK: 1,
    bound: 0.3,
    stages: [{ ...by(middle), bound: 0.1 }, by(exact)],
  });
  assert.ok(two.errors[1]!.exceeded > 0);
  assert.equal(best(two.scores, 1), [2]);
});

test('scores that are not finite are no knowledge', async () => {
  const exact = [3, 2, NaN, 1];
  const { scores } = await refineTop([NaN, 2, 2.05, Infinity], { topK: 2, bound: 0.1, stages: [by(exact)] });
  assert.equal(asSet(best(scores, 2)), [0, 1]);
});

test.run();
