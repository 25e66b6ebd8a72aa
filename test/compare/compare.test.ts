import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareRuns, cutToFirstStage, type Difference } from '../../src/compare/compare.js';
import { bootstrapInterval, corrected, pairedTTest, randomizationTest } from '../../src/compare/paired-tests.js';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/run-file.js';
import { RandomStream } from '../../src/random/random-stream.js';
import { sharedPath } from '../support/shared.js';

interface Resampled {
  pRandomization?: number;
  interval?: [number, number];
}
interface ExpectedRun extends Resampled {
  mean: number;
  difference: number;
  p: number;
  holm: number;
  bonferroni: number;
  effect: number;
  wins: number;
  ties: number;
}
interface Made {
  tests: ({ differences: number[]; p: number } & Resampled)[];
  corrections: { ps: number[]; holm: number[]; bonferroni: number[] }[];
}

// written by scripts/references/compare.py
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`golden/${name}.json`, import.meta.url), 'utf8'));
const made = read('tests') as Made;
const runs = read('runs') as Record<string, { runs: string[] } & Record<string, Record<string, ExpectedRun>>>;

const RESAMPLES = 5000;
const stream = (item: string) => new RandomStream({ seed: 1, purpose: 'test', epoch: 0, item });

const test = suite('compare');

function near(ours: number | undefined, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(ours! - expected) <= tolerance, `${what}: ${ours} is not ${expected}`);
}

/** Within four standard errors of ours and of scipy's, which doubles the smaller tail of 100,000 resamples. */
function nearShare(ours: number, expected: number, resamples: number, what: string): void {
  const own = Math.sqrt(Math.max(expected * (1 - expected), 1e-4) / resamples);
  const tail = expected / 2;
  near(ours, expected, 4 * (own + 2 * Math.sqrt(Math.max(tail * (1 - tail), 1e-4) / 1e5)), what);
}

test('t-tests of made-up differences are those of scipy', () => {
  made.tests.forEach(({ differences, p }, i) => near(pairedTTest(differences).p, p, 1e-9, `case ${i}`));
});

test('corrections are those of statsmodels', () => {
  for (const { ps, holm, bonferroni } of made.corrections) {
    corrected(ps, 'holm').forEach((p, i) => near(p, holm[i]!, 1e-12, 'holm'));
    corrected(ps, 'bonferroni').forEach((p, i) => near(p, bonferroni[i]!, 1e-12, 'bonferroni'));
    assert.equal(corrected(ps, 'none'), ps);
  }
});

test('randomization tests and bootstrap intervals are those of scipy within their own error', () => {
  made.tests.forEach(({ differences, pRandomization, interval }, i) => {
    if (pRandomization === undefined || !interval) return;
    const p = randomizationTest(differences, RESAMPLES, stream(`p${i}`));
    nearShare(p, pRandomization, 2 ** differences.length <= RESAMPLES ? 1e9 : RESAMPLES, `case ${i}`);
    const [lower, upper] = bootstrapInterval(differences, 0.95, RESAMPLES, stream(`b${i}`));
    const width = interval[1] - interval[0];
    near(lower, interval[0], width * 0.08, `lower bound of case ${i}`);
    near(upper, interval[1], width * 0.08, `upper bound of case ${i}`);
  });
});

for (const [dataset, { runs: paths, ...measures }] of Object.entries(runs)) {
  test(`all runs of ${dataset} compare with bm25 as by ir_measures, scipy and statsmodels`, async () => {
    const qrels = sharedPath(`data/${dataset}/qrels.txt`);
    if (!qrels) return;
    const read = await Promise.all(
      paths.map(async (path) => [path, await readRun(sharedPath(`data/${path}`)!)] as const),
    );
    const dataSets = [{ name: dataset, qrels: await readQrels(qrels), runs: new Map(read) }];
    const baseline = `${dataset}/runs/bm25.run`;
    for (const correction of ['holm', 'bonferroni'] as const) {
      const { columns } = compareRuns(dataSets, {
        measures: Object.keys(measures),
        baseline,
        correction,
        resamples: 5000,
      });
      for (const { measure, values } of columns) {
        const tested = values.filter(({ difference }) => difference !== undefined);
        assert.equal(tested.map(({ system }) => system).sort(), Object.keys(measures[measure]!).sort());
        for (const { system, mean, difference } of tested) {
          const expected = measures[measure]![system]!;
          const { mean: mine, p, pCorrected, effect, wins, ties, losses, pRandomization } = difference as Difference;
          const what = `${measure} of ${system}`;
          near(mean, expected.mean, 1e-9, what);
          near(mine, expected.difference, 1e-9, what);
          near(p, expected.p, 1e-9, what);
          near(pCorrected, expected[correction], 1e-9, what);
          near(effect, expected.effect, 1e-7, what);
          assert.equal([wins, ties], [expected.wins, expected.ties], what);
          assert.is(wins + ties + losses, columns[0]!.topics, what);
          if (expected.pRandomization !== undefined) nearShare(pRandomization, expected.pRandomization, 1000, what);
        }
      }
    }
  });
}

const qrels = (topics: number) =>
  Array.from({ length: topics }, (_, i) => ({ queryId: `q${i}`, docId: 'a', relevance: 1, iteration: '0' }));
/** A run that ranks the relevant document first in the first `good` topics. */
const run = (topics: number, good: number) =>
  Array.from({ length: topics }, (_, i) => [
    { queryId: `q${i}`, docId: 'a', rank: 1, score: i < good ? 2 : 0 },
    { queryId: `q${i}`, docId: 'b', rank: 2, score: 1 },
  ]).flat();

test('a group is the mean of its datasets, the macro average the mean of the groups', () => {
  const systems = (topics: number, good: number) =>
    new Map([
      ['base', run(topics, 0)],
      ['mine', run(topics, good)],
    ]);
  const comparison = compareRuns(
    [
      { name: 'x-1', group: 'x', qrels: qrels(4), runs: systems(4, 4) },
      { name: 'x-2', group: 'x', qrels: qrels(8), runs: systems(8, 0) },
      { name: 'y', qrels: qrels(4), runs: systems(4, 2) },
    ],
    { measures: ['P@1'], resamples: 100 },
  );
  const mine = comparison.columns.map(({ name, topics, values }) => [
    name,
    topics,
    values[1]!.mean,
    values[1]!.difference!.wins,
  ]);
  assert.equal(mine, [
    ['x-1', 4, 1, 4],
    ['x-2', 8, 0, 0],
    ['y', 4, 0.5, 2],
    ['x', 12, 0.5, 4],
  ]);
  assert.equal(
    comparison.macro[0]!.values.map(({ system, mean }) => [system, mean]),
    [
      ['base', 0],
      ['mine', 0.5],
    ],
  );
});

test('numbers of a comparison do not depend on the other systems', () => {
  const alone = new Map([
    ['base', run(30, 10)],
    ['mine', run(30, 17)],
  ]);
  const more = new Map([
    ['base', run(30, 10)],
    ['other', run(30, 3)],
    ['mine', run(30, 17)],
  ]);
  const of = (runs: typeof alone) =>
    compareRuns([{ name: 'x', qrels: qrels(30), runs }], { correction: 'none', resamples: 500 }).columns[0]!.values.at(
      -1,
    );
  assert.equal(of(alone), of(more));
});

test('a run is cut to the first documents of its first stage', () => {
  const first = run(2, 0);
  assert.equal(
    cutToFirstStage(run(2, 2), first, 1).map(({ queryId, docId }) => `${queryId} ${docId}`),
    ['q0 a', 'q1 a'],
  );
});

test('an unknown baseline and a run of other topics are refused', () => {
  const dataset = { name: 'x', qrels: qrels(2), runs: new Map([['mine', run(2, 1)]]) };
  assert.throws(() => compareRuns([dataset], { baseline: 'best' }), /no run is called best/);
  const foreign = new Map([['mine', [{ queryId: 'z', docId: 'a', score: 1 }]]]);
  assert.throws(() => compareRuns([{ ...dataset, runs: foreign }]), /x: the run of mine has none of the judged topics/);
});

test.run();
