import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { longestFirst } from '../../src/tokenize/pair-template.js';

const test = suite('longest_first');

test('cuts every small pair as transformers does', () => {
  // tokens kept of the first side, by room, tokens of the first and tokens of the second side
  const file = new URL('golden/expected.json', import.meta.url);
  const { longestFirst: table } = JSON.parse(readFileSync(file, 'utf8')) as { longestFirst: number[][][] };
  assert.is(table.length, 10);
  for (const [room, rows] of table.entries()) {
    for (const [first, row] of rows.entries()) {
      for (const [second, kept] of row.entries()) {
        const expected = [kept, Math.min(room, first + second) - kept];
        assert.equal(longestFirst(first, second, room), expected, `${first} and ${second} tokens into ${room}`);
      }
    }
  }
});

test.run();
