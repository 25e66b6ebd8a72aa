import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { philox4x32 } from '../../src/random/philox.js';
import { RandomStream } from '../../src/random/random-stream.js';
import { refuses } from '../support/errors.js';

const test = suite('RandomStream');

function stream(item: string, seed = 42): RandomStream {
  return new RandomStream({ seed, purpose: 'test', epoch: 0, item });
}

/** Sum of (observed − expected)² / expected. */
function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return counts.reduce((sum, count, i) => sum + (count - expected[i]!) ** 2 / expected[i]!, 0);
}

/** A bound that a right generator passes for all but one in a million seeds (Wilson and Hilferty). */
function chiSquareBound(freedom: number): number {
  return freedom * (1 - 2 / (9 * freedom) + 4.75 * Math.sqrt(2 / (9 * freedom))) ** 3;
}

test('words are those of Philox with the documented key and counter', () => {
  const hash = createHash('sha256')
    .update(Buffer.from([...Buffer.from('sample'), 0, ...Buffer.from('q7')]))
    .digest();
  const seed = 3 * 2 ** 32 + 5;
  const random = new RandomStream({ seed, purpose: 'sample', epoch: 9, item: 'q7' });
  const words = Array.from({ length: 9 }, () => random.uint32());
  const blocks = [0, 1, 2].flatMap((block) =>
    philox4x32([block, 9, hash.readUInt32LE(0), hash.readUInt32LE(4)], [5, 3]),
  );
  assert.equal(words, blocks.slice(0, 9));
});

test('every part of the key changes the numbers, nothing else does', () => {
  const base = { seed: 1, purpose: 'sample', epoch: 2, item: 'a' };
  const take = (key: typeof base) => {
    const random = new RandomStream(key);
    return [random.uint32(), random.uint32()];
  };
  const changed = [
    base,
    { ...base, seed: 2 },
    { ...base, seed: 1 + 2 ** 32 },
    { ...base, purpose: 'order' },
    { ...base, epoch: 3 },
    { ...base, item: 'b' },
    { ...base, purpose: 'sam', item: 'plea' },
  ].map((key) => take(key).join());
  assert.is(new Set(changed).size, changed.length);
  assert.equal(take(base), take(base));
});

test('below is uniform, also where 2³² is no multiple of the limit', () => {
  for (const limit of [1, 2, 3, 7, 10]) {
    const random = stream(`below ${limit}`);
    const counts = new Array<number>(limit).fill(0);
    for (let i = 0; i < 50_000; i++) counts[random.below(limit)]! += 1;
    const value = chiSquare(counts, new Array<number>(limit).fill(50_000 / limit));
    assert.ok(limit === 1 || value < chiSquareBound(limit - 1), `limit ${limit}: ${value}`);
  }
  // a plain remainder would give the lower third of 3 · 2³⁰ values twice as often: half of all draws instead of a third
  const limit = 3 * 2 ** 30;
  const random = stream('biased limit');
  let low = 0;
  for (let i = 0; i < 30_000; i++) if (random.below(limit) < 2 ** 30) low += 1;
  assert.ok(Math.abs(low - 10_000) < 5 * Math.sqrt(30_000 * (1 / 3) * (2 / 3)), `${low}`);
  assert.is(random.below(2 ** 32) >= 0, true);
});

test('float is uniform in [0, 1) and has 53 bits', () => {
  const random = stream('float');
  const counts = new Array<number>(20).fill(0);
  let fine = 0;
  for (let i = 0; i < 50_000; i++) {
    const value = random.float();
    assert.ok(value >= 0 && value < 1);
    counts[Math.floor(value * 20)]! += 1;
    if ((value * 2 ** 53) % 2 === 1) fine += 1;
  }
  assert.ok(chiSquare(counts, new Array<number>(20).fill(2500)) < chiSquareBound(19));
  assert.ok(Math.abs(fine - 25_000) < 5 * Math.sqrt(12_500), `${fine}`);
});

test('shuffle gives every order equally often and leaves its argument alone', () => {
  const items = ['a', 'b', 'c', 'd'];
  const counts = new Map<string, number>();
  const random = stream('shuffle');
  for (let i = 0; i < 48_000; i++) {
    const order = random.shuffle(items).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(items, ['a', 'b', 'c', 'd']);
  assert.is(counts.size, 24);
  assert.ok(chiSquare([...counts.values()], new Array<number>(24).fill(2000)) < chiSquareBound(23));
});

test('choose gives every ordered choice equally often', () => {
  const counts = new Map<string, number>();
  const random = stream('choose');
  for (let i = 0; i < 40_000; i++) {
    const choice = random.choose(['a', 'b', 'c', 'd', 'e'], 2).join('');
    counts.set(choice, (counts.get(choice) ?? 0) + 1);
  }
  assert.is(counts.size, 20);
  assert.ok(chiSquare([...counts.values()], new Array<number>(20).fill(2000)) < chiSquareBound(19));
  assert.equal(random.choose([1, 2], 0), []);
});

test('chooseWeighted takes ordered choices with the probability of draws in proportion to what is left', () => {
  const weights = [5, 1, 3, 1];
  const names = ['a', 'b', 'c', 'd'];
  const probabilities = new Map<string, number>();
  for (const [i, first] of names.entries()) {
    for (const [j, second] of names.entries()) {
      if (i === j) continue;
      probabilities.set(first + second, ((weights[i]! / 10) * weights[j]!) / (10 - weights[i]!));
    }
  }
  const total = 60_000;
  const counts = new Map<string, number>();
  const random = stream('weighted');
  for (let i = 0; i < total; i++) {
    const choice = random.chooseWeighted(names, weights, 2).join('');
    counts.set(choice, (counts.get(choice) ?? 0) + 1);
  }
  const pairs = [...probabilities.keys()];
  const observed = pairs.map((pair) => counts.get(pair) ?? 0);
  const expected = pairs.map((pair) => total * probabilities.get(pair)!);
  assert.ok(chiSquare(observed, expected) < chiSquareBound(11));
  assert.equal(random.chooseWeighted(names, weights, 4).sort(), names);
});

test('what cannot be drawn is refused', async () => {
  await refuses(() => stream('x', -1), 'bad_input', 'seed', '-1');
  await refuses(() => stream('x', 1.5), 'bad_input', 'seed', '1.5');
  const random = stream('x');
  assert.throws(() => random.below(0), /limit/);
  assert.throws(() => random.below(2 ** 32 + 1), /limit/);
  assert.throws(() => random.choose([1, 2], 3), /3 of 2/);
  assert.throws(() => random.chooseWeighted([1, 2], [1, 0], 1), /weight/);
  assert.throws(() => random.chooseWeighted([1, 2], [1, Infinity], 1), /weight/);
  assert.throws(() => new RandomStream({ seed: 1, purpose: 'x', epoch: -1 }), /epoch/);
});

test.run();
