import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/run-file.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { sharedPath } from '../support/shared.js';

interface Expected {
  qrels: string;
  /** [topics] of `values`. */
  topics: string[];
  mean: Record<string, number>;
  values: Record<string, number[]>;
}

const test = suite('ir_measures on TREC Deep Learning runs');
// written by scripts/references/evaluate.py
const golden = JSON.parse(readFileSync(new URL('golden/runs.json', import.meta.url), 'utf8')) as Record<
  string,
  Expected
>;

/** gdeval.pl prints five digits. */
const toleranceOf = (measure: string): number => (/^ERR|exp-log2/.test(measure) ? 1e-5 : 1e-6);

for (const [name, { qrels, topics, mean, values }] of Object.entries(golden)) {
  test(name, async () => {
    const [runPath, qrelsPath] = [sharedPath(`data/${name}`), sharedPath(`data/${qrels}`)];
    if (!runPath || !qrelsPath) return;
    const result = evaluate(await readRun(runPath), await readQrels(qrelsPath), Object.keys(mean));
    assert.equal([...result.byQuery.keys()].sort(), topics);
    const wrong: string[] = [];
    for (const [measure, expected] of Object.entries(values)) {
      const ours = [...topics.map((topic) => result.byQuery.get(topic)![measure]!), result.mean[measure]!];
      [...expected, mean[measure]!].forEach((value, i) => {
        const isEqual = Math.abs(ours[i]! - value) < toleranceOf(measure);
        if (!isEqual) wrong.push(`${measure} of ${topics[i] ?? 'all'}: ${ours[i]} is not ${value}`);
      });
    }
    assert.equal(wrong.slice(0, 10), []);
  });
}

const triples = Object.values(golden).reduce(
  (sum, { topics, mean }) => sum + topics.length * Object.keys(mean).length,
  0,
);
console.log(`${triples} triples of run, measure and query are compared with ir_measures`);

test.run();
