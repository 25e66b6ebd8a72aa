import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLoss } from '../../src/loss/create-loss.js';
import { sharedPath } from '../support/shared.js';
import { assertAllClose, matrix } from '../support/losses.js';

/** What lightning-ir 0.0.6 computes in float32. */
interface Case {
  loss: string;
  init_args: Record<string, unknown>;
  kind: string;
  scores: number[][];
  targets: number[][];
  value: number;
  grad: number[][];
}

/** An entry in which lightning-ir's float32 and float64 differ by more than the tolerance. */
interface Noise {
  case: number;
  entry: number;
  float32: number;
  float64: number;
}

const test = suite('losses, lightning-ir in float32');
const path = sharedPath('golden/losses.json');
const cases = path ? (JSON.parse(readFileSync(path, 'utf8')) as Case[]) : [];
// written by scripts/references/losses.py
const noise = JSON.parse(readFileSync(new URL('golden/float32-noise.json', import.meta.url), 'utf8')) as Noise[];

if (path) test('there are 63 cases', () => assert.is(cases.length, 63));

cases.forEach(({ loss, init_args, kind, scores, targets, value, grad }, index) => {
  const name = `${loss} ${JSON.stringify(init_args)}, ${kind}, ${scores.length} x ${scores[0]!.length}`;
  test(name, () => {
    const found = createLoss(loss, init_args).compute(matrix(scores), matrix(targets));
    assertAllClose([found.value], [value], { relative: 1e-5, absolute: 0 }, 'value');
    const expected = grad.flat();
    for (const { entry, float32, float64 } of noise.filter((each) => each.case === index)) {
      assert.is(expected[entry], float32);
      assertAllClose(
        [found.gradient[entry]!],
        [float64],
        { relative: 1e-10, absolute: 0 },
        `entry ${entry} in float64`,
      );
      expected[entry] = float64;
    }
    assertAllClose(found.gradient, expected, { relative: 1e-5, absolute: 1e-7 }, 'gradient');
  });
});

test.run();
