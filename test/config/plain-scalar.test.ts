import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { plainScalar } from '../../src/config/plain-scalar.js';

const test = suite('plain-scalar');

/** Printed by PyYAML with jsonargparse 4's loader, the one lightning-ir 0.0.6 reads its files with. */
const REFERENCE: [text: string, value: unknown][] = [
  ['100_000', 100000],
  ['1e-5', 1e-5],
  ['1.0e-05', 1e-5],
  ['1E5', 100000],
  ['.5', 0.5],
  ['5.', 5],
  ['-3', -3],
  ['+7', 7],
  ['010', 8],
  ['0x1F', 31],
  ['0b101', 5],
  ['08', '08'],
  ['1_0.5', 10.5],
  ['yes', true],
  ['No', false],
  ['on', true],
  ['OFF', false],
  ['true', true],
  ['TRUE', true],
  ['null', null],
  ['~', null],
  ['Null', null],
  ['', null],
  ['.inf', Infinity],
  ['-.inf', -Infinity],
  ['.nan', Number.NaN],
  ['2024-01-02', '2024-01-02'],
  ['nDCG@10', 'nDCG@10'],
  ['32-true', '32-true'],
  ['1e', '1e'],
  ['.5e3', '.5e3'],
  ['.5e+3', 500],
  ['-.5', '-.5'],
  ['0', 0],
  ['-0', 0],
  ['0o17', '0o17'],
  ['1__0', 10],
  ['_1', '_1'],
  ['0x', '0x'],
  ['1.e5', 100000],
  ['nan', 'nan'],
  ['inf', 'inf'],
  ['y', 'y'],
  ['n', 'n'],
  ['tRue', 'tRue'],
  ['1e400', Infinity],
];

for (const [text, value] of REFERENCE) {
  test(`"${text}" is ${String(value)}`, () => {
    assert.ok(Object.is(plainScalar(text), value), `got ${String(plainScalar(text))}`);
  });
}

test.run();
