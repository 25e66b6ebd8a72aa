import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../src/evaluate/evaluate.js';

const test = suite('measures by hand');

const qrels = (grades: Record<string, number>) =>
  Object.entries(grades).map(([docId, relevance]) => ({ queryId: 'q', docId, relevance, iteration: '0' }));
/** Documents in the order of the letters, best first. */
const ranking = (docs: string) => [...docs].map((docId, i) => ({ queryId: 'q', docId, score: -i }));

function value(docs: string, grades: Record<string, number>, measure: string): number {
  const { mean } = evaluate(ranking(docs), qrels(grades), [measure]);
  return Object.values(mean)[0]!;
}

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
}

test('nDCG divides the discounted gains by those of the best ranking of all judged documents', () => {
  const grades = { a: 3, b: 0, c: 1, z: 2 };
  near(value('bca', grades, 'nDCG@3'), (1 / Math.log2(3) + 3 / 2) / (3 + 2 / Math.log2(3) + 1 / 2));
  near(value('bca', grades, 'nDCG@2'), 1 / Math.log2(3) / (3 + 2 / Math.log2(3)));
  near(value('azc', grades, 'nDCG'), 1);
});

test('a negative grade and an unjudged document gain nothing', () => {
  near(value('bxa', { a: 2, b: -2 }, 'nDCG@10'), 2 / 2 / 2);
  near(value('bxa', { a: 2, b: -2 }, 'P@2'), 0);
});

test('P divides by k even when fewer were retrieved, R by all relevant documents', () => {
  near(value('ab', { a: 1, b: 1, y: 1, z: 1 }, 'P@10'), 2 / 10);
  near(value('ab', { a: 1, b: 1, y: 1, z: 1 }, 'R@10'), 2 / 4);
  near(value('xab', { a: 1, b: 1 }, 'R@2'), 1 / 2);
});

test('AP averages the precisions at relevant ranks over all relevant documents', () => {
  near(value('axb', { a: 1, b: 2, z: 1 }, 'AP'), (1 / 1 + 2 / 3) / 3);
  near(value('axb', { a: 1, b: 2, z: 1 }, 'AP@2'), 1 / 3);
  near(value('axb', { a: 1, b: 2, z: 1 }, 'AP(rel=2)'), 1 / 3);
});

test('RR is one over the rank of the first relevant document within the cut-off', () => {
  near(value('xya', { a: 1 }, 'RR'), 1 / 3);
  near(value('xya', { a: 1 }, 'RR@3'), 1 / 3);
  near(value('xya', { a: 1 }, 'RR@2'), 0);
  near(value('xab', { a: 1, b: 2 }, 'RR(rel=2)@10'), 1 / 3);
});

test('ERR refuses grades that it has no probability for', () => {
  assert.throws(() => value('a', { a: 5 }, 'ERR@20'), /qrels: topic q: ERR knows grades up to 4, found 5/);
});

test('counts are added up over the topics', () => {
  const judged = [...qrels({ a: 1, b: 2 }), { queryId: 'other', docId: 'a', relevance: 1, iteration: '0' }];
  const run = [...ranking('abx'), { queryId: 'other', docId: 'y', score: 1 }];
  assert.equal(evaluate(run, judged, ['NumQ', 'NumRet', 'NumRet(rel=2)', 'NumRel']).mean, {
    NumQ: 2,
    NumRet: 4,
    'NumRet(rel=2)': 1,
    NumRel: 3,
  });
});

test('the mean is over all judged topics, a topic the run lacks counts 0', () => {
  const judged = [...qrels({ a: 1 }), { queryId: 'absent', docId: 'a', relevance: 1, iteration: '0' }];
  const run = [...ranking('a'), { queryId: 'unjudged', docId: 'a', score: 1 }];
  const { mean, byQuery, topicsInRun } = evaluate(run, judged, ['RR']);
  assert.equal(mean, { RR: 0.5 });
  assert.equal(Object.fromEntries(byQuery), { q: { RR: 1 }, absent: { RR: 0 } });
  assert.is(topicsInRun, 1);
});

test('of grades in several iterations the greatest counts', () => {
  const judged = [1, 3, 0].map((relevance, i) => ({ queryId: 'q', docId: 'a', relevance, iteration: String(i) }));
  assert.equal(evaluate(ranking('xa'), judged, ['RR(rel=3)']).mean, { 'RR(rel=3)': 0.5 });
});

test('the run may come from a generator, and its ranks and order play no part', () => {
  function* run() {
    yield { queryId: 'q', docId: 'x', score: 1, rank: 1 };
    yield { queryId: 'q', docId: 'a', score: 2, rank: 2 };
  }
  assert.equal(evaluate(run(), qrels({ a: 1 }), ['RR']).mean, { RR: 1 });
});

const REFUSED: [string, Parameters<typeof evaluate>, RegExp][] = [
  ['no judgement', [ranking('a'), [], ['AP']], /no judgement/],
  ['a document twice', [ranking('aba'), qrels({ a: 1 }), ['AP']], /topic q ranks document a twice/],
  [
    'two grades',
    [ranking('a'), [...qrels({ a: 1 }), ...qrels({ a: 2 })], ['AP']],
    /judges document a twice, as 1 and as 2/,
  ],
  [
    'no score',
    [[{ queryId: 'q', docId: 'a' } as { queryId: string; docId: string; score: number }], qrels({ a: 1 }), ['AP']],
    /topic q, document a is not a number/,
  ],
  ['NaN', [[{ queryId: 'q', docId: 'a', score: NaN }], qrels({ a: 1 }), ['AP']], /topic q, document a is not a number/],
];
for (const [name, parameters, message] of REFUSED) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => evaluate(...parameters),
      (error: { code?: string; message: string; hint?: string }) =>
        error.code === 'bad_input' && message.test(error.message) && Boolean(error.hint),
    );
  });
}

test.run();
