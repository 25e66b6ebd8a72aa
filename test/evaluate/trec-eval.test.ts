import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readQrels } from '../../src/data/formats/qrels.js';
import { readRun } from '../../src/data/run-file.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { sharedPath } from '../support/shared.js';

interface Expected {
  qrels: string;
  mean: Record<string, number>;
  byQuery?: Record<string, Record<string, number>>;
}

const test = suite('trec_eval on TREC Deep Learning runs');
// written by scripts/references/evaluate.py
const golden = JSON.parse(readFileSync(new URL('golden/trec-eval.json', import.meta.url), 'utf8')) as Record<
  string,
  Expected
>;

function assertClose(actual: Record<string, number>, expected: Record<string, number>, where: string): void {
  for (const [measure, value] of Object.entries(expected)) {
    assert.ok(Math.abs(actual[measure]! - value) < 1e-6, `${where}, ${measure}: ${actual[measure]} is not ${value}`);
  }
}

for (const [name, expected] of Object.entries(golden)) {
  test(name, async () => {
    const [runPath, qrelsPath] = [sharedPath(`data/${name}`), sharedPath(`data/${expected.qrels}`)];
    if (!runPath || !qrelsPath) return;
    const result = evaluate(await readRun(runPath), await readQrels(qrelsPath), Object.keys(expected.mean));
    assertClose(result.mean, expected.mean, 'mean');
    for (const [queryId, values] of Object.entries(expected.byQuery ?? {})) {
      assertClose(result.byQuery.get(queryId)!, values, `topic ${queryId}`);
    }
  });
}

test.run();
