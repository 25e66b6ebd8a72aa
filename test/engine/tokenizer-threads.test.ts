import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultTokenizerThreads } from '../../src/engine/engine-options.js';

const test = suite('default number of tokenizer threads');

const CASES: [device: string, cores: number, threads: number][] = [
  ['cpu', 1, 0],
  ['cpu', 64, 0],
  ['cuda', 1, 0],
  ['cuda', 2, 0],
  ['cuda', 3, 1],
  ['cuda:1', 9, 7],
  ['cuda', 10, 8],
  ['cuda:0', 128, 8],
];

for (const [device, cores, threads] of CASES) {
  test(`${device} with ${cores} cores: ${threads}`, () => {
    assert.is(defaultTokenizerThreads(device, cores), threads);
  });
}

test.run();
