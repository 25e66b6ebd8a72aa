import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLoss } from '../../src/loss/create-loss.js';
import { assertAllClose, matrix } from '../support/losses.js';

interface Case {
  kind: string;
  scores: number[][];
  targets: number[][];
  results: { loss: string; init_args: Record<string, unknown>; value: number | null; gradient: number[][] }[];
}

const test = suite('losses, lightning-ir in float64');
// written by scripts/references/losses.py
const cases = JSON.parse(readFileSync(new URL('golden/lightning-ir.json', import.meta.url), 'utf8')) as Case[];
const TOLERANCE = { relative: 1e-11, absolute: 1e-12 };

for (const { kind, scores, targets, results } of cases) {
  for (const { loss, init_args, value, gradient } of results) {
    test(`${kind}: ${loss} ${JSON.stringify(init_args)}`, () => {
      const found = createLoss(loss, init_args).compute(matrix(scores), matrix(targets));
      if (value === null) {
        // no pair: 0 / 0 there
        assert.is(found.value, 0);
        assert.ok(found.gradient.every((each) => each === 0));
      } else {
        assertAllClose([found.value], [value], TOLERANCE, 'value');
        assertAllClose(found.gradient, gradient.flat(), TOLERANCE, 'gradient');
      }
    });
  }
}

test.run();
