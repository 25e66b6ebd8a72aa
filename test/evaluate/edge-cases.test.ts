import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../src/evaluate/evaluate.js';

interface EdgeCases {
  qrels: Record<string, Record<string, number>>;
  run: Record<string, Record<string, number>>;
  mean: Record<string, number>;
  byQuery: Record<string, Record<string, number>>;
}

const test = suite('ir_measures on edge cases');
// inputs and values written by scripts/references/evaluate.py
const golden = JSON.parse(readFileSync(new URL('golden/edge-cases.json', import.meta.url), 'utf8')) as EdgeCases;

const qrels = Object.entries(golden.qrels).flatMap(([queryId, documents]) =>
  Object.entries(documents).map(([docId, relevance]) => ({ queryId, docId, relevance, iteration: '0' })),
);
const run = Object.entries(golden.run).flatMap(([queryId, documents]) =>
  Object.entries(documents).map(([docId, score]) => ({ queryId, docId, score })),
);
const measures = Object.keys(golden.mean);
const result = evaluate(run, qrels, measures);

/** gdeval.pl prints five digits. */
const toleranceOf = (measure: string): number => (/^ERR|exp-log2/.test(measure) ? 1e-5 : 1e-9);

for (const measure of measures) {
  const tolerance = toleranceOf(measure);
  test(measure, () => {
    for (const [queryId, values] of Object.entries(golden.byQuery)) {
      const ours = result.byQuery.get(queryId)?.[measure];
      assert.ok(Math.abs(ours! - values[measure]!) < tolerance, `topic ${queryId}: ${ours} is not ${values[measure]}`);
    }
    assert.ok(Math.abs(result.mean[measure]! - golden.mean[measure]!) < tolerance);
  });
}

test('the same topics count', () => {
  assert.equal([...result.byQuery.keys()].sort(), Object.keys(golden.byQuery).sort());
});

test.run();
