import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { refineTop } from '../../src/engine/refine.js';
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

test('the top K is that of the finer scores wherever the bound holds, ties included', async () => {
  const random = new Random(1);
  for (let i = 0; i < 3000; i++) {
    const count = 1 + random.below(60);
    const topK = random.below(count + 2);
    const bound = random.pick([0, 0.01, 0.1, 1]);
    const { exact, given } = drawn(random, count, bound, random.pick([1e-4, 0.1, 1]));
    const finer = (indices: readonly number[]) => Promise.resolve(indices.map((index) => exact[index]!));
    // rounding the given scores to float32 adds a little
    const { scores, rescored, exceeded } = await refineTop(given, { topK, bound: bound + 1e-6, finer });
    assert.equal(asSet(best(scores, topK)), asSet(best(exact, topK)));
    assert.is(exceeded, 0);
    assert.is(new Set(rescored).size, rescored.length);
    for (const index of rescored) assert.is(scores[index], exact[index]);
  }
});

test('few documents are scored again, two where the cut is clear, and none where there is no cut', async () => {
  const random = new Random(2);
  const { exact, given } = drawn(random, 1000, 0.05, 1e-6);
  const asked: number[] = [];
  const finer = (indices: readonly number[]) => {
    asked.push(...indices);
    return Promise.resolve(indices.map((index) => exact[index]!));
  };
  await refineTop(given, { topK: 100, bound: 0.05, finer });
  assert.ok(asked.length > 0 && asked.length < 60, String(asked.length));
  asked.length = 0;
  await refineTop([0, 5, 1, 4], {
    topK: 2,
    bound: 0.5,
    finer: ([a, b]) => Promise.resolve([a === 3 ? 4.2 : 0, b === 2 ? 1.2 : 0]),
  });
  await refineTop(given, { topK: 1000, bound: 0.01, finer });
  await refineTop(given, { topK: 0, bound: 0.01, finer });
  assert.equal(asked, []);
});

test('without a bound everything is scored again', async () => {
  const finer = (indices: readonly number[]) => Promise.resolve(indices.map((index) => -index));
  const { rescored, largestError } = await refineTop([1, 2, 3], { topK: 1, bound: undefined, finer });
  assert.equal(asSet(rescored), [0, 1, 2]);
  assert.is(largestError, 5);
});

test('an error above the bound raises it, and what seemed certain is looked at again', async () => {
  // document 2 is off by more than the bound, and in truth the best: only the raised bound finds it
  const exact = [1, 0.9, 2, 0.1];
  const finer = (indices: readonly number[]) => Promise.resolve(indices.map((index) => exact[index]!));
  const { scores, exceeded } = await refineTop([1.04, 1.6, 0.2, 0.1], { topK: 1, bound: 0.3, finer });
  assert.ok(exceeded > 0);
  assert.equal(best(scores, 1), [2]);
});

test('scores that are not finite are no knowledge', async () => {
  const exact = [3, 2, NaN, 1];
  const finer = (indices: readonly number[]) => Promise.resolve(indices.map((index) => exact[index]!));
  const { scores } = await refineTop([NaN, 2, 2.05, Infinity], { topK: 2, bound: 0.1, finer });
  assert.equal(asSet(best(scores, 2)), [0, 1]);
});

test.run();
