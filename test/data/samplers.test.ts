import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/random/random-stream.js';
import { gradesByTopic, readQrels } from '../../src/data/formats/qrels.js';
import { RunFile } from '../../src/data/run-file.js';
import { drawSample, logWeights, obstacleTo, reachOf } from '../../src/data/samplers.js';
import { type Candidate, candidatesOf, withAdded } from '../../src/data/candidates.js';
import { temporaryFiles } from '../support/files.js';
import { gradesRun, inTraining, trainingReference } from '../support/data.js';

const test = suite('samplers');
temporaryFiles();
const DRAWS = 20_000;
const reference = trainingReference();

function document(docId: string, rank: number | undefined, relevance?: number): Candidate {
  return { docId, rank, score: 0, relevance, text: undefined, line: rank };
}

/** How often each document was drawn, at which places, over DRAWS streams. */
function frequencies(candidates: Candidate[], size: number, strategy: Parameters<typeof drawSample>[2]) {
  const drawn = new Map<string, number>();
  const first = new Map<string, number>();
  for (let epoch = 0; epoch < DRAWS; epoch++) {
    const sample = drawSample(
      candidates,
      size,
      strategy,
      () => new RandomStream({ seed: 5, purpose: 'sample', epoch }),
    );
    assert.is(new Set(sample).size, size);
    for (const { docId } of sample) drawn.set(docId, (drawn.get(docId) ?? 0) + 1);
    first.set(sample[0]!.docId, (first.get(sample[0]!.docId) ?? 0) + 1);
  }
  return { drawn, first };
}

/** Two estimates of a probability, from n and m draws, differ by less than five standard deviations. */
function agree(a: number, n: number, b: number, m: number, what: string): void {
  const p = (a + b) / (n + m);
  const bound = 5 * Math.sqrt(p * (1 - p) * (1 / n + 1 / m));
  assert.ok(Math.abs(a / n - b / m) <= bound, `${what}: ${a / n} and ${b / m} differ by more than ${bound}`);
}

assert.is(reference.draws.length, 10);
for (const { strategy, add, size, topic, candidates: order, drawn, first } of reference.draws) {
  test(`${strategy} draws as often as lightning-ir: ${topic}, ${size} documents${add ? ', some added' : ''}`, async () => {
    await using run = await RunFile.open(gradesRun);
    const grades = gradesByTopic(await readQrels(inTraining('grades.tsv'))).get(topic)!;
    let candidates = candidatesOf(await run.topic(topic), -1, grades);
    const ranked = new Set(candidates.map(({ docId }) => docId));
    const added = [...grades.keys()].filter((docId) => !ranked.has(docId));
    if (add) candidates = withAdded(candidates, added, grades);
    assert.equal(
      candidates.map(({ docId }) => docId),
      order,
    );
    assert.is(obstacleTo(candidates, size, strategy), undefined);
    const ours = frequencies(candidates, size, strategy);
    for (const [name, theirs, found] of [
      ['drawn', drawn, ours.drawn],
      ['first', first, ours.first],
    ] as const) {
      for (const docId of new Set([...Object.keys(theirs), ...found.keys()])) {
        agree(found.get(docId) ?? 0, DRAWS, theirs[docId] ?? 0, reference.draws_per_case, `${name} ${docId}`);
      }
      // what one of the two never draws, the other never does either
      assert.equal([...found.keys()].sort(), Object.keys(theirs).sort());
    }
    const reached = reachOf(candidates, size, strategy).map(({ docId }) => docId);
    assert.equal(reached.sort(), Object.keys(drawn).sort());
  });
}

/** Probability that each item is among `count` draws without replacement, each in proportion to the weights left. */
function inclusion(weights: number[], count: number): number[] {
  const result = weights.map(() => 0);
  const go = (chosen: number[], probability: number): void => {
    if (chosen.length === count) {
      for (const index of chosen) result[index]! += probability;
      return;
    }
    const left = weights.map((_, index) => index).filter((index) => !chosen.includes(index));
    const total = left.reduce((sum, index) => sum + weights[index]!, 0);
    for (const index of left) go([...chosen, index], (probability * weights[index]!) / total);
  };
  go([], 1);
  return result;
}

test('log_random includes documents with the probabilities that follow from 1 / ln(1 + rank)', () => {
  const candidates = [1, 2, 3, 10, 100].map((rank) => document(`d${rank}`, rank));
  candidates.push(document('unranked', undefined));
  const weights = [1, 2, 3, 10, 100, 100].map((rank) => 1 / Math.log(1 + rank));
  for (const [i, weight] of logWeights(candidates).entries()) assert.ok(Math.abs(weight - weights[i]!) < 1e-12);
  const expected = inclusion(weights, 3);
  const { drawn } = frequencies(candidates, 3, 'log_random');
  for (const [i, { docId }] of candidates.entries()) {
    const share = (drawn.get(docId) ?? 0) / DRAWS;
    const bound = 5 * Math.sqrt((expected[i]! * (1 - expected[i]!)) / DRAWS);
    assert.ok(Math.abs(share - expected[i]!) < bound, `${docId}: ${share}, expected ${expected[i]}`);
  }
});

test('single_relevant: the relevant one first; negative grades and added non-relevant ones are never drawn', () => {
  const candidates = [
    document('spam', 1, -2),
    document('zero', 2, 0),
    document('unjudged', 3),
    document('good', 4, 1),
    document('added zero', undefined, 0),
    document('added good', undefined, 2),
  ];
  const { drawn, first } = frequencies(candidates, 3, 'single_relevant');
  assert.equal([...drawn.keys()].sort(), ['added good', 'good', 'unjudged', 'zero']);
  assert.equal([...first.keys()].sort(), ['added good', 'good']);
  assert.is(drawn.get('zero'), DRAWS);
  assert.is(drawn.get('unjudged'), DRAWS);
});

test('what stands in the way of a sample', () => {
  const irrelevant = [document('a', 1), document('b', 2, -1), document('c', 3)];
  const relevant = [document('r', 4, 1), document('s', 5, 1)];
  assert.is(obstacleTo(irrelevant, 3, 'top'), undefined);
  for (const strategy of ['top', 'random', 'log_random', 'top_and_random', 'single_relevant'] as const) {
    assert.is(obstacleTo(irrelevant, 4, strategy), 'too_few');
    assert.is(obstacleTo([], -1, strategy), 'too_few');
    assert.is(obstacleTo(irrelevant, -1, strategy), undefined);
  }
  assert.is(obstacleTo(irrelevant, 2, 'single_relevant'), 'no_relevant');
  assert.is(obstacleTo([...irrelevant, ...relevant], 3, 'single_relevant'), undefined);
  assert.is(obstacleTo([...irrelevant, ...relevant], 4, 'single_relevant'), 'too_few');
});

test('size -1 takes every list as it is, with every strategy', () => {
  const candidates = [document('a', 1), document('b', 2), document('c', 3)];
  const never = (): RandomStream => {
    throw new Error('nothing is random here');
  };
  for (const strategy of ['top', 'random', 'log_random', 'top_and_random', 'single_relevant'] as const) {
    assert.equal(drawSample(candidates, -1, strategy, never), candidates);
    assert.equal(reachOf(candidates, -1, strategy), candidates);
  }
});

test.run();
